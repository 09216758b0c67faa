import CNI
import Foundation
import Names
import NetTypes
import PluginKit
import Testing
@testable import dns_hosts

/// Names that a name server on the host resolves.
struct ServerTests {
  @Test(arguments: [
    (#"{"dnsmasq": {}}"#, NameServerTarget.directory("/s/net/hostsdir"), ["10.1.0.254"]),
    (#"{"dnsmasq": {"hostsdir": "/d", "nameserver": "10.9.0.1"}}"#, .directory("/d"), ["10.9.0.1"]),
    (
      #"{"dnsmasq": {"addn-hosts": "/f", "pidFile": "/p", "nameserver": ["fd00::53", "10.9.0.1"]}}"#,
      .file("/f", pidFile: "/p"), ["fd00::53", "10.9.0.1"]
    ),
    (#"{"coredns": {"hostsfile": "/c"}}"#, .file("/c", pidFile: nil), ["10.1.0.254"]),
    (#"{"type": "dnsname"}"#, .directory("/s/net/hostsdir"), ["10.1.0.254"]),
  ])
  func `the name server's directory and address come from the keys or the gateway`(
    json: String, place: NameServerTarget, nameservers: [String]
  ) throws {
    try Fixture.use { fixture in
      var call = try fixture.call(1, json)
      call.config.stateDir = "/s"
      let server = try #require(try DNSHostsSettings(call).server)
      var result = try #require(call.previous)
      result.ips[1].gateway = IPAddress("10.1.0.254")
      #expect(server.target == place)
      #expect(try server.nameservers(result, of: call.owner).map(\.description) == nameservers)
    }
  }

  @Test(arguments: [
    (#"{"dnsmasq": true}"#, "dnsmasq"), (#"{"dnsmasq": {"hostsdir": "d"}}"#, "dnsmasq.hostsdir"),
    (#"{"dnsmasq": {"hostsdir": "/a/../b"}}"#, "dnsmasq.hostsdir"),
    (#"{"dnsmasq": {"hostsdir": "/d", "addn-hosts": "/f", "pidFile": "/p"}}"#, "dnsmasq.hostsdir"),
    (#"{"dnsmasq": {"addn-hosts": "/f"}}"#, "pidFile"), (#"{"dnsmasq": {"pidFile": "/p"}}"#, "dnsmasq.pidFile"),
    (#"{"dnsmasq": {"nameserver": []}}"#, "dnsmasq.nameserver"),
    (#"{"dnsmasq": {"nameserver": "dns.example"}}"#, "dnsmasq.nameserver"),
    (#"{"dnsmasq": {"backend": "ebtables"}}"#, "dnsmasq.backend"), (#"{"coredns": {}}"#, "hostsfile"),
    (#"{"coredns": {"hostsfile": "/c"}, "dnsmasq": {}}"#, "dnsmasq"),
    (#"{"type": "dnsname", "multiDomain": true}"#, "multiDomain"),
    (#"{"type": "dnsname", "dnsmasq": {}, "remoteServers": ["10.0.0.1"]}"#, "remoteServers"),
    (#"{"type": "dnsname", "remoteServers": ["dns.example"]}"#, "remoteServers[0]"),
    (#"{"dnsmasq": {"run": "yes"}}"#, "dnsmasq.run"),
    (#"{"dnsmasq": {"run": true, "hostsdir": "/d"}}"#, "dnsmasq.hostsdir"),
    (#"{"dnsmasq": {"run": true, "nameserver": "10.0.0.1"}}"#, "dnsmasq.nameserver"),
  ])
  func `an invalid configuration is refused and the key is named`(json: String, fragment: String) throws {
    try Fixture.use { fixture in
      let error = #expect(throws: CNIError.self) { try fixture.call(1, json) }
      #expect(error?.message.contains(fragment) == true, "\(error?.message ?? "")")
    }
  }

  @Test func `dnsmasq without a gateway needs the key nameserver`() throws {
    try Fixture.use { fixture in
      let error = #expect(throws: CNIError.self) { try fixture.add(1, #"{"dnsmasq": {}}"#) }
      #expect(error?.code == .invalidNetworkConfig)
      #expect(error?.message.contains("want its address in the key \"nameserver\"") == true)
      #expect(fixture.files.isEmpty)
    }
  }

  private let keys = #"{"hosts": false, "domain": "corp.example", "dnsmasq": {"nameserver": "10.9.0.1"}}"#

  @Test func `each attachment has a hosts file for dnsmasq, which is the first name server`() throws {
    try Fixture.use { fixture in
      let answer = try fixture.add(1, keys)
      #expect(answer.dns.nameservers == ["10.9.0.1", "192.0.2.53"])
      #expect(answer.dns.search == ["corp.example"])
      let file = "state/net/hostsdir/c1:eth0.hosts"
      let names = "c1 c1.net c1.corp.example"
      #expect(
        try String(contentsOfFile: "\(fixture.directory)/\(file)", encoding: .utf8)
          == "10.1.0.1 \(names)\nfd00::1 \(names)\n")
      #expect(fixture.files == [file, "state/net/c1:eth0.json"])
      try fixture.delete(1, nil)
      try fixture.delete(1, keys)
      #expect(fixture.files.isEmpty)
    }
  }

  @Test func `CHECK reports a changed hosts file, and GC removes files of containers that are not valid`() throws {
    try Fixture.use { fixture in
      try fixture.add(1, keys)
      try fixture.add(2, keys)
      try DNSHosts().check(fixture.call(1, keys))
      let file = "\(fixture.directory)/state/net/hostsdir/c1:eth0.hosts"
      try "10.1.0.9 c1\n".write(toFile: file, atomically: false, encoding: .utf8)
      #expect(throws: CNIError.self) { try DNSHosts().check(fixture.call(1, keys)) }
      try FileManager.default.removeItem(atPath: file)
      let error = #expect(throws: CNIError.self) { try DNSHosts().check(fixture.call(1, keys)) }
      #expect(error?.message.contains("c1:eth0.hosts is missing") == true)
      let valid = ValidAttachments.Attachment(
        containerID: try Fixture.owner(2).container, ifname: try Fixture.owner(2).interface)
      try DNSHosts().collectGarbage(fixture.network(keys), valid: [valid])
      #expect(fixture.files == ["state/net/hostsdir/c2:eth0.hosts", "state/net/c2:eth0.json"])
    }
  }

  @Test func `an ADD that fails at any step leaves nothing`() throws {
    try Fixture.use { fixture in
      var steps = 0
      while true {
        steps += 1
        var left = steps
        let plugin = DNSHosts(willChange: { (what) throws(KernelError) in
          left -= 1
          if left == 0 { throw KernelError(what, errno: .EIO, reason: "as the test wants") }
        })
        let call = try fixture.call(1, keys)
        do throws(CNIError) {
          try plugin.add(call) { (_) throws(CNIError) in }
        } catch {
          #expect(error.message.contains("as the test wants"))
          #expect(fixture.files.isEmpty, "step \(steps)")
          continue
        }
        break
      }
      #expect(steps == 3)
    }
  }

  @Test(arguments: [
    (#"{"type": "dnsname"}"#, true), (#"{"type": "dnsname", "dnsmasq": {}}"#, false),
    (#"{"type": "dnsname", "coredns": {"hostsfile": "/c"}}"#, false), (#"{"dnsmasq": {}}"#, false),
    (#"{"dnsmasq": {"run": true}}"#, true),
  ])
  func `dnsname runs its own dnsmasq unless the operator runs one`(json: String, isOwn: Bool) throws {
    try Fixture.use { fixture in
      let settings = try DNSHostsSettings(fixture.call(1, json))
      #expect(settings.server?.isOwn == isOwn)
    }
  }

  @Test(arguments: [nil, "10.1.0.254"])
  func `ADD without dnsmasq or its gateway names no server and succeeds`(gateway: String?) throws {
    try Fixture.use { fixture in
      var previous = try Fixture.previous(1)
      previous.ips[1].gateway = gateway.flatMap { IPAddress($0) }
      let call = try fixture.call(1, #"{"type": "dnsname", "domainName": "dns.podman"}"#, previous: previous)
      let plugin = DNSHosts(findHostLink: { (_) throws(KernelError) in
        InterfaceName("br0").map { HostLink(link: $0, addresses: [IPAddress("10.1.0.254")].compactMap(\.self)) }
      })
      var dns = DNS()
      try plugin.add(call) { (result) throws(CNIError) in dns = result.dns }
      #expect(dns == DNS(nameservers: ["192.0.2.53"]))
      #expect(!fixture.files.contains { $0.contains("dnsmasq") })
    }
  }

  @Test func `dnsname writes no file for the container`() throws {
    try Fixture.use { fixture in
      let json = #"{"type": "dnsname", "domainName": "dns.podman", "dnsmasq": {"nameserver": "10.9.0.1"}}"#
      let answer = try fixture.add(1, json, arguments: "IgnoreUnknown=1;K8S_POD_NAME=web")
      #expect(answer.dns.nameservers.first == "10.9.0.1")
      #expect(answer.dns.search == ["dns.podman"])
      #expect(fixture.files == ["state/net/hostsdir/c1:eth0.hosts", "state/net/c1:eth0.json"])
      let text = try String(contentsOfFile: "\(fixture.directory)/state/net/hostsdir/c1:eth0.hosts", encoding: .utf8)
      #expect(text.hasPrefix("10.1.0.1 web web.net web.dns.podman\n"))
    }
  }
}
