import CNI
import LabSupport
import Testing

/// Settings of the host's bridge and network that an attachment does not change.
@Suite(.needsRoot)
struct HostBridgeTests {
  @Test(arguments: [("{}", "9000"), (#"{"mtu": 1400}"#, "1400")])
  func `a bridge of the host keeps its MTU`(keys: String, mtu: String) throws {
    try Lab.use { lab in
      try lab.shell(
        """
        ip link add br0 type bridge; ip link set br0 up
        ip link add store0 mtu 9000 type veth peer name store1; ip link set store0 master br0 up
        """, in: lab.host)
      let config = try lab.bridge(keys)
      let result = try lab.add(config).result()
      #expect(try lab.link("br0", in: lab.host)?.text("mtu") == "9000")
      #expect(try lab.link("eth0", in: lab.container(1))?.text("mtu") == mtu)
      #expect(try lab.check(config, result).isSuccess)
      #expect(try lab.delete(config).isSuccess)
      #expect(try lab.link("br0", in: lab.host)?.text("mtu") == "9000")
    }
  }

  @Test func `a bridge of the host keeps its random MAC address`() throws {
    try Lab.use(containers: 2) { lab in
      try lab.shell("ip link add br0 type bridge; ip link set br0 up; ip addr add 10.77.0.1/24 dev br0", in: lab.host)
      let config = try lab.bridge()
      func mac() throws -> String? { try lab.link("br0", in: lab.host)?.text("address") }
      let before = try mac()
      let results = try (1...2).map { try lab.add(config, to: $0).result() }
      #expect(try mac() == before)
      #expect(results.allSatisfy { $0.text("interfaces.1.mac")?.hasPrefix("fe:") == true })
      try lab.shell("ip link add low address 02:00:00:00:00:01 type veth peer name other", in: lab.host)
      try lab.shell("ip link set low master br0 up", in: lab.host)
      #expect(try mac() == before)
      #expect(try lab.check(config, results[0]).isSuccess)
      for number in 1...2 { #expect(try lab.delete(config, from: number).isSuccess) }
      #expect(try mac() == before)
    }
  }

  @Test(arguments: ["first", "again"])
  func `a failed ADD leaves the MAC address and the MTU of the host's bridge unchanged`(round: String) throws {
    try Lab.use { lab in
      try lab.shell(
        """
        ip link add br0 type bridge; ip link set br0 up
        \(round == "again" ? "ip link add up0 mtu 4000 type veth peer name up1; ip link set up0 master br0 up" : "")
        """, in: lab.host)
      try lab.shell("ip link set lo up", in: lab.container(1))
      let before = try Snapshot(of: lab)
      let refused = try lab.add(
        try lab.bridge(#"{"mtu": 1400}"#, ipam: #"{"routes": [{"dst": "10.9.0.0/16", "gw": "127.0.0.1"}]}"#))
      #expect(!refused.isSuccess)
      try lab.expectUnchanged(since: before)
    }
  }

  /// Subnet, gateway, the bridge's address, the route to the subnet.
  static let outsideGateways = [
    ("10.66.0.0/24", "10.67.0.1", "10.67.0.1/32", "-4"), ("fd66::/64", "fd67::1", "fd67::1/128", "-6"),
    ("fd66::/64", "fe80::1", "fe80::1/128", "-6"),
  ]

  @Test(arguments: outsideGateways)
  func `a gateway outside the subnet works in both directions for several containers`(
    subnet: String, gateway: String, address: String, family: String
  ) throws {
    try Lab.use(containers: 2) { lab in
      let config = try lab.bridge(
        #"{"isDefaultGateway": true}"#, ipam: #"{"ranges": [[{"subnet": "\#(subnet)", "gateway": "\#(gateway)"}]]}"#)
      let results = try (1...2).map { try lab.add(config, to: $0).result() }
      for (index, result) in results.enumerated() {
        let container = lab.container(index + 1)
        #expect(try lab.pings(gateway + (gateway.hasPrefix("fe80") ? "%eth0" : ""), from: container))
        #expect(try lab.pings(result.firstAddress, from: lab.host))
        #expect(try lab.shell("ip \(family) route show default", in: container).contains("via \(gateway)"))
        #expect(try lab.check(config, result, on: index + 1).isSuccess)
      }
      #expect(try lab.shell("ip addr show dev br0", in: lab.host).contains(" \(address) "))
      #expect(try lab.delete(config, from: 1).isSuccess)
      #expect(try lab.pings(results[1].firstAddress, from: lab.host))
      try lab.shell("ip \(family) route del \(subnet) dev br0", in: lab.host)
      let complaint = try lab.check(config, results[1], on: 2)
      #expect(complaint.complaint.contains("host route \(subnet) on br0 is missing"))
      #expect(try lab.delete(config, from: 2).isSuccess)
      #expect(try lab.collectGarbage(config, keeping: []).isSuccess)
      #expect(try lab.shell("ip \(family) route show \(subnet)", in: lab.host).isEmpty)
    }
  }

  @Test func `a gateway from another network leaves that network reachable`() throws {
    try Lab.use { lab in
      try lab.shell(
        "ip link add up0 type veth peer name up1; ip link set up0 up; ip link set up1 up; ip route add 10.67.0.0/16 dev up0",
        in: lab.host)
      let config = try lab.bridge(
        #"{"isDefaultGateway": true}"#, ipam: #"{"ranges": [[{"subnet": "10.66.0.0/24", "gateway": "10.67.0.1"}]]}"#)
      _ = try lab.add(config).result()
      #expect(try lab.json("ip -j route get 10.67.0.9", in: lab.host).text("0.dev") == "up0")
    }
  }

  @Test(arguments: [
    (["10.1.0.0/30", "10.2.0.0/24"], true), (["10.1.0.0/30", "10.2.0.0/24"], false),
    (["fd01::/126", "fd02::/64"], true),
  ])
  func `a bridge has the gateway of each subnet of the range set that is in use`(
    subnets: [String], isForced: Bool
  ) throws {
    try Lab.use(containers: 4) { lab in
      let ranges = subnets.map { #"{"subnet": "\#($0)"}"# }.joined(separator: ", ")
      let config = try lab.bridge(
        #"{"isDefaultGateway": true, "forceAddress": \#(isForced)}"#, ipam: #"{"ranges": [[\#(ranges)]]}"#)
      let results = try (1...4).map { try lab.add(config, to: $0).result() }
      let gateways = Set(results.compactMap { $0.text("ips.0.gateway") })
      #expect(gateways.count == 2)
      let bridgeAddresses = try lab.addresses(of: "br0", in: lab.host).map { String($0.prefix { $0 != "/" }) }
      #expect(Set(bridgeAddresses) == gateways)
      for (index, result) in results.enumerated() {
        #expect(try lab.pings(result.text("ips.0.gateway") ?? "", from: lab.container(index + 1)))
        #expect(try lab.reaches(results[3 - index].firstAddress, from: lab.container(index + 1)))
        #expect(try lab.check(config, result, on: index + 1).isSuccess)
      }
    }
  }

  @Test(arguments: [true, false])
  func `forceAddress sets the address of a new subnet on a bridge of the reference plugin`(isInUse: Bool) throws {
    try Lab.use(containers: 2) { lab in
      let keys = #"{"isGateway": true, "forceAddress": true}"#
      let old = try lab.bridge(keys, version: .v1_0_0)
      var call = lab.call("ADD", old, on: 1)
      call.directory = Binaries.reference
      _ = try lab.run(call).result()
      if !isInUse { #expect(try lab.delete(old).isSuccess) }
      let new = try lab.bridge(keys, subnets: ["10.88.0.0/24"])
      #expect(try lab.addWithSysfs(new, to: 2).isSuccess)
      #expect(try lab.addresses(of: "br0", in: lab.host) == ["10.88.0.1/24"])
      #expect(try lab.pings("10.88.0.1", from: lab.container(2)))
    }
  }

  @Test func `forceAddress removes no address from a bridge with an uplink`() throws {
    try Lab.use { lab in
      try lab.shell(
        """
        ip link add br0 address 02:00:00:00:00:42 type bridge; ip link set br0 up; ip addr add 10.1.1.1/24 dev br0
        ip link add up0 type veth peer name up1; ip link set up0 master br0 up
        """, in: lab.host)
      let refused = try lab.addWithSysfs(try lab.bridge(#"{"isGateway": true, "forceAddress": true}"#), to: 1)
      #expect(refused.code == 7)
      #expect(refused.complaint.contains("10.1.1.1/24"))
      #expect(try lab.addresses(of: "br0", in: lab.host) == ["10.1.1.1/24"])
    }
  }
}

extension Lab {
  /// Whether a ping is answered in the end: a new bridge forwards no IPv6 until DAD of its own address has ended.
  fileprivate func reaches(_ address: String, from namespace: String) throws -> Bool {
    try run("/usr/bin/ping", ["-n", "-c8", "-i0.3", "-W1", address], in: namespace).isSuccess
  }

  /// Runs ADD with a /sys that shows the links of the lab's host, as a real host has.
  fileprivate func addWithSysfs(_ config: JSONValue, to container: Int) throws -> Outcome {
    let call = call("ADD", config, on: container)
    let script = "mount -t sysfs sysfs /sys; exec \"$@\""
    return try run(
      "/usr/bin/unshare",
      ["--mount", "/bin/sh", "-ec", script, "sh", "\(call.directory)/\(call.plugin)"],
      in: host, environment: environment(call) + ["PATH=/usr/bin:/bin"], input: call.config)
  }
}

extension JSONValue {
  /// A result's first address, without its prefix length.
  fileprivate var firstAddress: String { String((text("ips.0.address") ?? "").prefix { $0 != "/" }) }
}
