import CNI
import LabSupport
import Testing

/// A container on several networks; container 3 stands for the network outside.
@Suite(.needsRoot)
struct SeveralNetworksTests {
  @Test func `a container reaches other hosts by ipvlan and its peers by an internal bridge, and nothing else`() throws
  {
    try Lab.use(containers: 3) { lab in
      // The network outside has the host's address on another subnet, which only ipvlan reaches.
      try lab.addMaster(["10.77.0.1/24", "fd77::1/64", "10.90.0.1/24"])
      let outer = try lab.upper("ipvlan", ipam: #"{"routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]}"#)
      let inner = try lab.bridge(#"{"name": "inner"}"#, subnets: ["10.88.0.0/24", "fd88::/64"])
      try lab.add(outer, plugin: "ipvlan").requireSuccess()
      for number in 1...2 { try lab.add(inner, to: number, as: "eth1").requireSuccess() }
      let reached = ["1 > 10.77.0.1", "1 > fd77::1", "1 > 10.90.0.1", "1 > 10.88.0.3", "1 > fd88::3", "2 > 10.88.0.2"]
      let unreached = [
        "2 > 10.77.0.1", "2 > fd77::1", "2 > 10.90.0.1", "2 > 10.77.0.2", "3 > 10.88.0.2", "3 > fd88::3",
      ]
      #expect(try lab.answered(reached + unreached) == reached)
      #expect(try lab.route("default", .v4, in: lab.container(1))?.text("dev") == "eth0")
      #expect(try lab.route("default", .v6, in: lab.container(1))?.text("dev") == "eth0")
      #expect(try lab.route("default", .v4, in: lab.container(2)) == nil)
    }
  }

  @Test func `the network with the higher gwPriority has the default route, and the other one after its DEL`() throws {
    try Lab.use(containers: 3) { lab in
      try lab.addMaster(["10.77.0.1/24", "fd77::1/64", "10.78.0.1/24", "fd78::1/64", "10.90.0.1/32"])
      let routes = #"{"routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]}"#
      let low = try lab.upper("ipvlan", ipam: routes)
      let high = try lab.upper(
        "ipvlan", #"{"name": "other", "gwPriority": 1}"#, subnets: ["10.78.0.0/24", "fd78::/64"], ipam: routes)
      try lab.add(low.with("gwPriority", .integer(0)), as: "eth0", plugin: "ipvlan").requireSuccess()
      try lab.add(high, as: "eth1", plugin: "ipvlan").requireSuccess()
      /// The links through which packets to an address outside leave, for each family.
      func outgoingLinks() throws -> [String] {
        let output = try lab.shell("ip route get 10.90.0.1; ip -6 route get fd90::1", in: lab.container(1))
        return output.split(separator: " ").filter { $0.hasPrefix("eth") }.map(String.init)
      }
      #expect(try outgoingLinks() == ["eth1", "eth1"])
      #expect(try lab.answered(["1 > 10.90.0.1"]) == ["1 > 10.90.0.1"])
      try lab.delete(high, from: 1, as: "eth1", plugin: "ipvlan").requireSuccess()
      #expect(try outgoingLinks() == ["eth0", "eth0"])
      #expect(try lab.answered(["1 > 10.90.0.1"]) == ["1 > 10.90.0.1"])
    }
  }
}
