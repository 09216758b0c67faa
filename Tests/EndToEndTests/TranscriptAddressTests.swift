import CNI
import LabSupport
import Testing

/// Addresses as Docker users see them in `ip address` on their hosts.
@Suite(.needsRoot)
struct TranscriptAddressTests {
  @Test func `macFromIP gives the same MAC address and link-local address as Docker`() throws {
    try Lab.use { lab in
      let config = try lab.bridge(#"{"isGateway": true, "macFromIP": true}"#, subnets: ["172.17.0.0/16"])
      _ = try lab.add(config).result()
      let inside = lab.container(1)
      #expect(try lab.link("eth0", in: inside)?.text("address") == "02:42:ac:11:00:02")
      let local = try lab.shell("ip -o -6 address show dev eth0 scope link", in: inside)
      #expect(local.contains(" fe80::42:acff:fe11:2/64 "), "\(local)")
    }
  }

  @Test func `a gateway in the middle of the subnet is the bridge's address and is assigned to no container`() throws {
    try Lab.use(containers: 6) { lab in
      let config = try lab.bridge(
        #"{"isDefaultGateway": true}"#, ipam: #"{"ranges": [[{"subnet": "192.168.1.0/24", "gateway": "192.168.1.5"}]]}"#
      )
      let given = try (1...6).compactMap { try lab.add(config, to: $0).result().list("ips").first?.text("address") }
      #expect(given == [1, 2, 3, 4, 6, 7].map { "192.168.1.\($0)/24" })
      #expect(try lab.addresses(of: "br0", in: lab.host) == ["192.168.1.5/24"])
      let route = try lab.route("default", .v4, in: lab.container(6))
      #expect(route?.text("gateway") == "192.168.1.5")
      #expect(try lab.pings("192.168.1.5", from: lab.container(6)))
      #expect(try lab.pings("192.168.1.7", from: lab.container(1)))
    }
  }
}
