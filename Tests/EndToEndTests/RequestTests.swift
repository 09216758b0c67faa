import CNI
import LabSupport
import Testing

/// Requests of runtimes: addresses, MAC addresses, routes, a place in a chain.
@Suite(.needsRoot)
struct RequestTests {
  /// Every way to request an address, highest precedence first, each with a different address.
  static let addressSources = [
    #"{"runtimeConfig": {"ips": ["10.77.0.51"]}}"#, #"{"args": {"cni": {"ips": ["10.77.0.52/24"]}}}"#,
    #"{"args": {"org.apache.mesos": {"network_info": {"ip_addresses": [{"ip_address": "10.77.0.53"}]}}}}"#,
  ]

  @Test(arguments: addressSources.indices)
  func `an address can be requested by key, and keys override CNI_ARGS`(index: Int) throws {
    try Lab.use { lab in
      let config = try lab.bridge(Self.addressSources[index])
      let result = try lab.add(config, args: "IP=10.77.0.54").result()
      #expect(result.text("ips.0.address") == "10.77.0.5\(index + 1)/24")
      #expect(try lab.addresses(of: "eth0", in: lab.container(1)) == ["10.77.0.5\(index + 1)/24"])
      #expect(try lab.leases() == ["10.77.0.5\(index + 1)"])
    }
  }

  @Test func `an address can be requested in CNI_ARGS`() throws {
    try Lab.use { lab in
      let result = try lab.add(try lab.bridge(), args: "IgnoreUnknown=1;FOO=bar;IP=10.77.0.54").result()
      #expect(result.text("ips.0.address") == "10.77.0.54/24")
    }
  }

  @Test func `runtimeConfig overrides args`() throws {
    try Lab.use { lab in
      let config = try lab.bridge(Self.addressSources[1]).merging(JSONValue(json: Self.addressSources[0]))
      #expect(try lab.add(config).result().text("ips.0.address") == "10.77.0.51/24")
    }
  }

  @Test func `an address of each family can be requested`() throws {
    try Lab.use { lab in
      let config = try lab.bridge(
        #"{"runtimeConfig": {"ips": ["10.77.0.51", "fd77::77"]}}"#, subnets: Families.dual.subnets)
      _ = try lab.add(config).result()
      #expect(try lab.addresses(of: "eth0", in: lab.container(1)) == ["10.77.0.51/24", "fd77::77/64"])
    }
  }

  @Test func `an address that is leased or outside the subnet is refused and nothing is changed`() throws {
    try Lab.use(containers: 2) { lab in
      let config = try lab.bridge()
      _ = try lab.add(config).result()
      let before = try Snapshot(of: lab)
      for address in ["10.77.0.2", "10.78.0.2", "10.77.0.1"] {
        let outcome = try lab.add(config, to: 2, args: "IP=\(address)")
        #expect(outcome.code != nil)
        #expect(outcome.complaint.contains(address))
      }
      try lab.expectUnchanged(since: before)
    }
  }

  @Test(arguments: [
    (#"{"runtimeConfig": {"mac": "02:00:00:00:00:01"}, "args": {"cni": {"mac": "02:00:00:00:00:02"}}}"#, "01"),
    (#"{"args": {"cni": {"mac": "02:00:00:00:00:02"}}}"#, "02"),
    (#"{"macFromIP": true}"#, "03"),
  ])
  func `a MAC address can be requested in several ways, and the highest precedence wins`(keys: String, end: String)
    throws
  {
    try Lab.use { lab in
      let result = try lab.add(try lab.bridge(keys), args: "MAC=02:00:00:00:00:03").result()
      #expect(result.text("interfaces.2.mac") == "02:00:00:00:00:\(end)")
      #expect(try lab.link("eth0", in: lab.container(1))?.text("address") == "02:00:00:00:00:\(end)")
    }
  }

  @Test func `mtu, advmss and priority of a route are applied`() throws {
    try Lab.use { lab in
      let config = try lab.bridge(
        ipam: #"""
          {"routes": [{"dst": "10.9.0.0/16", "gw": "10.77.0.9", "mtu": 1300, "advmss": 1200, "priority": 42}]}
          """#)
      let result = try lab.add(config).result()
      #expect(result.text("routes.0.mtu") == "1300")
      let route = try #require(try lab.route("10.9.0.0/16", in: lab.container(1)))
      #expect(route.text("gateway") == "10.77.0.9")
      #expect(route.text("metric") == "42")
      #expect(route.text("metrics.0.mtu") == "1300")
      #expect(route.text("metrics.0.advmss") == "1200")
    }
  }

  @Test func `table and scope of a route are applied`() throws {
    try Lab.use { lab in
      let config = try lab.bridge(
        ipam:
          #"{"routes": [{"dst": "10.9.0.0/16", "gw": "10.77.0.9", "table": 100}, {"dst": "10.8.0.0/16", "scope": 253}]}"#
      )
      _ = try lab.add(config).result()
      #expect(try lab.route("10.9.0.0/16", in: lab.container(1)) == nil)
      #expect(try lab.route("10.9.0.0/16", table: "100", in: lab.container(1))?.text("gateway") == "10.77.0.9")
      let direct = try #require(try lab.route("10.8.0.0/16", in: lab.container(1)))
      #expect(direct.text("scope") == "link")
      #expect(direct.text("gateway") == nil)
    }
  }

  @Test(arguments: [("10.77.0.0/24", "10.77.0.50"), ("fd77::/64", "fd77::50")])
  func `other containers reach a reused address at once`(subnet: String, address: String) throws {
    try Lab.use(containers: 3) { lab in
      let config = try lab.bridge(subnets: [subnet])
      _ = try lab.add(config, to: 1).result()
      let first = try lab.add(config, to: 2, args: "IP=\(address)").result()
      #expect(try lab.pings(address, from: lab.container(1)))
      #expect(try lab.delete(config, from: 2).isSuccess)
      let second = try lab.add(config, to: 3, args: "IP=\(address)").result()
      #expect(first.text("interfaces.2.mac") != second.text("interfaces.2.mac"))
      #expect(try lab.pings(address, from: lab.container(1)))
      let neighbours = try lab.json("ip -j neigh show to \(address)", in: lab.container(1))
      #expect(neighbours.text("0.lladdr") == second.text("interfaces.2.mac"))
    }
  }

  @Test func `in a chain the result is added to prevResult`() throws {
    try Lab.use { lab in
      let previous = try JSONValue(
        json: #"""
          {"cniVersion": "1.1.0", "interfaces": [{"name": "tun0", "sandbox": "/run/netns/other"}],
           "ips": [{"address": "192.0.2.7/24", "interface": 0}], "routes": [{"dst": "198.51.100.0/24"}]}
          """#)
      let result = try lab.add(try lab.bridge().with("prevResult", previous)).result()
      #expect(result.list("interfaces").map { $0.text("name") }.first == "tun0")
      #expect(result.list("interfaces").count == 4)
      #expect(result.list("ips").map { $0.text("address") } == ["192.0.2.7/24", "10.77.0.2/24"])
      #expect(result.list("ips").map { $0.text("interface") } == ["0", "3"])
      #expect(result.list("routes").map { $0.text("dst") } == ["198.51.100.0/24"])
    }
  }
}
