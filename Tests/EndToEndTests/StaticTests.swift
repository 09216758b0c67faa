import CNI
import LabSupport
import Testing

/// `ipam.type: "static"`: the reference's plugin, which assigns the addresses of the configuration.
@Suite(.needsRoot)
struct StaticTests {
  @Test func `a container has the addresses, routes and DNS settings of ipam static`() throws {
    try Lab.use { lab in
      let ipam = try JSONValue(
        json: #"""
          {"type": "static",
          "addresses": [{"address": "10.66.0.7/24", "gateway": "10.66.0.1"}, {"address": "fd66::7/64"}],
          "routes": [{"dst": "0.0.0.0/0"}, {"dst": "192.0.2.0/24", "gw": "10.66.0.9"}],
          "dns": {"nameservers": ["10.66.0.53"], "search": ["example"]}}
          """#)
      let config = try lab.bridge(#"{"isGateway": true}"#, subnets: [], version: .v1_0_0).with("ipam", ipam)
      let result = try lab.add(config).result()
      let container = lab.container(1)
      #expect(try lab.addresses(of: "eth0", in: container) == ["10.66.0.7/24", "fd66::7/64"])
      #expect(try lab.route("default", in: container)?.text("gateway") == "10.66.0.1")
      #expect(try lab.route("192.0.2.0/24", in: container)?.text("gateway") == "10.66.0.9")
      #expect(result.list("dns.nameservers").map(\.string) == ["10.66.0.53"])
      #expect(result.list("dns.search").map(\.string) == ["example"])
      #expect(try lab.addresses(of: "br0", in: lab.host).contains("10.66.0.1/24"))
      #expect(try lab.pings("10.66.0.1", from: container))
      let check = try lab.check(config, result)
      #expect(check.isSuccess, "\(check)")
      try lab.delete(config).requireSuccess()
      #expect(try lab.linkNames(in: container) == [])
      #expect(try lab.linkNames(in: lab.host) == ["br0"])
    }
  }
}
