import CNI
import NetTypes
import Testing
@testable import Names

struct DnsmasqConfigTests {
  private func config(domain: String? = nil, upstreams: [String] = []) throws -> DnsmasqConfig {
    DnsmasqConfig(
      network: try #require(NetworkName("app")),
      addresses: try ["fd00::1", "10.1.0.1"].map { try #require(IPAddress($0)) },
      domain: try domain.map { try #require(HostName($0)) },
      upstreams: try upstreams.map { try #require(IPAddress($0)) }, hostsdir: "/s/app/hostsdir", pidFile: "/s/app/pid")
  }

  @Test func `dnsmasq listens only on the gateways and does not forward names of its domain`() throws {
    #expect(
      try config(domain: "dns.podman").text == """
        # Written by dns-hosts for network app, and again whenever it changes.
        bind-dynamic
        listen-address=10.1.0.1
        listen-address=fd00::1
        except-interface=lo
        no-hosts
        domain-needed
        strict-order
        domain=dns.podman
        local=/dns.podman/
        expand-hosts
        hostsdir=/s/app/hostsdir
        pid-file=/s/app/pid

        """)
  }

  @Test func `without a domain dnsmasq gets no local= line, and configured servers replace the host's`() throws {
    let text = try config(upstreams: ["192.0.2.53"]).text
    #expect(!text.contains("local="))
    #expect(text.contains("no-resolv\nserver=192.0.2.53\n"))
  }

  @Test func `the listen addresses are read back from the configuration file`() throws {
    #expect(try DnsmasqConfig.addresses(in: config().text).map(\.description) == ["10.1.0.1", "fd00::1"])
    #expect(DnsmasqConfig.addresses(in: "") == [])
  }

  @Test(arguments: [
    ("10.93.0.1", ["250198"]), ("10.93.0.2", []), ("fd00:93::1", ["250202"]), ("::", []),
  ])
  func `only a socket bound to exactly the address is found`(address: String, inodes: [String]) throws {
    let table = SocketTable(
      """
         sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
        100: 01005D0A:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 250198 2 0000 0
        101: 01005D0A:0036 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 250199 2 0000 0
        102: 00000000:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 250200 2 0000 0
        104: 930000FD000000000000000001000000:0035 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 250202 2 0000 0
      """)
    #expect(table.inodes(boundTo: try #require(IPAddress(address)), port: 53) == inodes)
  }
}
