import CNI
import LabSupport
import Testing

/// The bridge itself: its owner, its addresses, its MAC address.
@Suite(.needsRoot)
struct SharedBridgeTests {
  @Test func `another network's gateway address is refused without forceAddress, which replaces ours`() throws {
    try Lab.use(containers: 2) { lab in
      _ = try lab.add(try lab.bridge(#"{"isGateway": true}"#)).result()
      let before = try Snapshot(of: lab)
      let other = try lab.bridge(#"{"isGateway": true}"#, subnets: ["10.88.0.0/24"])
      let refused = try lab.add(other, to: 2)
      #expect(refused.code == 7)
      #expect(refused.complaint.contains("10.77.0.1/24"))
      #expect(refused.complaint.contains("forceAddress"))
      try lab.expectUnchanged(since: before)

      _ = try lab.add(try other.merging(JSONValue(json: #"{"forceAddress": true}"#)), to: 2).result()
      #expect(try lab.addresses(of: "br0", in: lab.host) == ["10.88.0.1/24"])
      #expect(try lab.pings("10.88.0.1", from: lab.container(2)))
    }
  }

  @Test(arguments: [#"{"isGateway": true}"#, #"{"isGateway": true, "forceAddress": true}"#])
  func `a bridge that we did not make keeps its address`(keys: String) throws {
    try Lab.use { lab in
      try lab.shell("ip link add br0 type bridge; ip link set br0 up; ip addr add 10.1.1.1/24 dev br0", in: lab.host)
      let before = try Snapshot(of: lab)
      let outcome = try lab.add(try lab.bridge(keys))
      #expect(outcome.code == 7)
      #expect(outcome.complaint.contains("10.1.1.1/24"))
      try lab.expectUnchanged(since: before)
    }
  }

  @Test func `a bridge that we did not make can be used and is never deleted`() throws {
    try Lab.use { lab in
      try lab.shell(
        """
        ip link add br0 address 02:00:00:00:00:42 type bridge
        ip link set br0 up
        ip addr add 10.77.0.1/24 dev br0
        """, in: lab.host)
      try lab.shell("ip link set lo up", in: lab.container(1))
      try lab.shell("echo 1 > /proc/sys/net/ipv4/ip_forward", in: lab.host)
      let before = try Snapshot(of: lab)
      let config = try lab.bridge(#"{"isGateway": true}"#)
      _ = try lab.add(config).result()
      #expect(try lab.pings("10.77.0.1", from: lab.container(1)))
      #expect(try lab.delete(config).isSuccess)
      #expect(try lab.collectGarbage(config, keeping: []).isSuccess)
      try lab.expectUnchanged(since: before)
    }
  }

  @Test func `our bridge keeps its MAC address when ports with lower ones are added and removed`() throws {
    try Lab.use(containers: 3) { lab in
      let config = try lab.bridge(#"{"isGateway": true}"#)
      let mac = try lab.add(config).result().text("interfaces.0.mac")
      let lower = try lab.add(config, to: 2).result()
      let port = lower.text("interfaces.1.name") ?? ""
      try lab.shell("ip link set \(port) address 02:00:00:00:00:01", in: lab.host)
      #expect(try lab.add(config, to: 3).result().text("interfaces.0.mac") == mac)
      #expect(try lab.link("br0", in: lab.host)?.text("address") == mac)
      #expect(try lab.delete(config, from: 2).isSuccess)
      #expect(try lab.link("br0", in: lab.host)?.text("address") == mac)
    }
  }

  @Test(arguments: ["ADD", "STATUS"])
  func `a bridge name that another kind of link has is refused`(command: String) throws {
    try Lab.use { lab in
      try lab.shell("ip link add br0 type veth peer name other", in: lab.host)
      let before = try Snapshot(of: lab)
      let config = try lab.bridge()
      let outcome = command == "ADD" ? try lab.add(config) : try lab.ask(command, config)
      #expect(outcome.code == (command == "ADD" ? 7 : 50))
      #expect(outcome.complaint.contains("br0"))
      #expect(outcome.complaint.contains("veth"))
      try lab.expectUnchanged(since: before)
    }
  }

  @Test(arguments: [("10.%.0.0/24", "192.0.2.1"), ("fd0%::/64", "2001:db8::1")])
  func `the network with the highest gwPriority has the default route, and the next one after its DEL`(
    subnet: String, outside: String
  ) throws {
    try Lab.use { lab in
      func network(_ number: Int, priority: Int) throws -> JSONValue {
        try lab.bridge(
          #"{"name": "n\#(number)", "bridge": "br\#(number)", "isDefaultGateway": true, "gwPriority": \#(priority)}"#,
          subnets: [subnet.replacing("%", with: "\(number)")])
      }
      let networks = [try network(1, priority: 5), try network(2, priority: 50), try network(3, priority: -7)]
      for (index, network) in networks.enumerated() {
        _ = try lab.add(network, as: "eth\(index)").result()
      }
      func outgoing() throws -> String? {
        try lab.json("ip -j route get \(outside)", in: lab.container(1)).text("0.dev")
      }
      #expect(try outgoing() == "eth1")
      #expect(try lab.delete(networks[1], as: "eth1").isSuccess)
      #expect(try outgoing() == "eth0")
      #expect(try lab.delete(networks[0], as: "eth0").isSuccess)
      #expect(try outgoing() == "eth2")
    }
  }

  /// For networks `a`, `b` …: `gwPriority` of network and attachment, and the interfaces in the expected order.
  @Test(
    arguments: [
      ([(nil, nil), (10, nil), (-5, nil)], ["eth1", "eth0", "eth2"]),
      ([(10, nil), (nil, nil), (nil, "7")], ["eth0", "eth2", "eth1"]),
      ([(nil, nil), (nil, nil), (0, nil)], ["eth0", "eth1", "eth2"]),
      ([(5, "-1"), (nil, nil), (3, "4")], ["eth2", "eth1", "eth0"]),
    ] as [([(Int?, String?)], [String])])
  func `gwPriority is 0 by default, and of equal priorities the first network name wins`(
    priorities: [(Int?, String?)], order: [String]
  ) throws {
    try Lab.use { lab in
      var networks: [(interface: String, config: JSONValue, result: JSONValue)] = []
      // Attached in reverse, because the order of ADDs must not matter.
      for (index, (ofNetwork, ofAttachment)) in priorities.enumerated().reversed() {
        let key = ofNetwork.map { #", "gwPriority": \#($0)"# } ?? ""
        let config = try lab.bridge(
          #"{"name": "n\#(index)", "bridge": "br\#(index)", "isDefaultGateway": true\#(key)}"#,
          subnets: ["10.\(index).0.0/24", "fd0\(index)::/64"])
        let arguments = ofAttachment.map { "IgnoreUnknown=1;GW_PRIORITY=\($0)" } ?? ""
        let result = try lab.add(config, as: "eth\(index)", args: arguments).result()
        networks.append(("eth\(index)", config, result))
      }
      for network in networks {
        #expect(try lab.check(network.config, network.result, as: network.interface).isSuccess)
      }
      for interface in order {
        for outside in ["192.0.2.1", "2001:db8::1"] {
          #expect(try lab.json("ip -j route get \(outside)", in: lab.container(1)).text("0.dev") == interface)
        }
        let network = try #require(networks.first { $0.interface == interface })
        #expect(try lab.delete(network.config, as: interface).isSuccess)
      }
      #expect(try lab.routes(.v4, in: lab.container(1)).isEmpty)
    }
  }

  @Test func `a dual-stack network has the default route before an IPv4-only network`() throws {
    try Lab.use { lab in
      for (index, subnets) in [["10.1.0.0/24"], ["10.2.0.0/24", "fd02::/64"]].enumerated() {
        let config = try lab.bridge(
          #"{"name": "n\#(index)", "bridge": "br\#(index)", "isDefaultGateway": true}"#, subnets: subnets)
        _ = try lab.add(config, as: "eth\(index)").result()
      }
      #expect(try lab.json("ip -j route get 192.0.2.1", in: lab.container(1)).text("0.dev") == "eth1")
    }
  }

  @Test func `a failed ADD leaves the metrics of the container's other networks unchanged`() throws {
    try Lab.use { lab in
      let first = try lab.bridge(#"{"name": "n1", "bridge": "br1", "isDefaultGateway": true}"#)
      _ = try lab.add(first).result()
      try lab.shell("ip link add br2 type bridge; ip link set br2 up", in: lab.host)
      let before = try Snapshot(of: lab)
      let broken = try lab.bridge(
        #"{"name": "n2", "bridge": "br2", "isDefaultGateway": true, "gwPriority": 9}"#, subnets: ["10.88.0.0/24"],
        ipam: #"{"routes": [{"dst": "10.9.0.0/16", "gw": "127.0.0.1"}]}"#)
      #expect(try !lab.add(broken, as: "eth1").isSuccess)
      try lab.expectUnchanged(since: before)
    }
  }

  @Test func `with enabledad an address that is in use is refused`() throws {
    try Lab.use(containers: 2) { lab in
      func network(_ name: String) throws -> JSONValue {
        try lab.bridge(#"{"name": "\#(name)", "enabledad": true}"#, subnets: ["fd77::/64"])
      }
      _ = try lab.add(try network("first")).result()
      #expect(try lab.json("ip -j -6 addr show dev eth0 tentative", in: lab.container(1)).list("0.addr_info").isEmpty)
      try lab.shell("ip link set lo up", in: lab.container(2))
      let before = try Snapshot(of: lab)
      let outcome = try lab.add(try network("second"), to: 2)
      #expect(outcome.code == 100)
      #expect(outcome.complaint.contains("fd77::2"))
      try lab.expectUnchanged(since: before)
    }
  }
}
