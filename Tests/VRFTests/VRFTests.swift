import CNI
import EVPNSupport
import LabSupport
import Testing

// Group: link-kinds, needs vrf

/// Networks in one VRF, with routing between them, and in different VRFs, without.
@Suite(.needsRoot) struct VRFTests {
  private func network(_ fabric: Fabric, _ number: Int, _ vrf: String, _ l3vni: Int) -> Network {
    Network(
      fabric: fabric, number: number,
      keys: .object(["vrf": .string(vrf), "l3vni": .integer(Int64(l3vni)), "isolation": "none"]))
  }

  @Test func `networks of one VRF reach each other across hosts, networks of two VRFs do not`() throws {
    try Fabric.use(hosts: 2, containers: 2, vrfs: ["red": 4001, "blue": 4002]) { fabric in
      for lab in fabric.cluster.hosts {
        // ADD sets these, and DEL does not reset them.
        try lab.shell("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1", in: lab.host)
        for number in 1...2 { try lab.shell("ip link set lo up", in: lab.container(number)) }
      }
      let before = try fabric.cluster.hosts.map { try Snapshot(of: $0) }
      let networks = [
        network(fabric, 1, "red", 4001), network(fabric, 2, "red", 4001), network(fabric, 3, "blue", 4002),
      ]
      let red = [try networks[0].attach(1, on: 0), try networks[1].attach(1, on: 1)]
      let blue = [try networks[2].attach(2, on: 0), try networks[2].attach(2, on: 1)]
      try fabric.awaitReach(red, red)
      try fabric.awaitReach(blue, blue)
      let crossed = try fabric.reached(red, blue) + fabric.reached(blue, red)
      #expect(crossed == [])
      for attachment in red + blue { #expect(try attachment.check().complaint == "") }
      let lab = fabric.cluster.hosts[0]
      #expect(
        try lab.linkNames(in: lab.host).filter { $0.contains("l3-") } == [
          "ovl3-4001", "ovl3-4002", "vxl3-4001", "vxl3-4002",
        ])
      for attachment in red + blue { try attachment.delete() }
      for host in 0..<2 {
        for network in networks { try network.collectGarbage(on: host) }
        try fabric.cluster.hosts[host].expectUnchanged(since: before[host])
      }
    }
  }

  @Test func `a VRF stays while a network uses it, and an existing VRF is never removed`() throws {
    try Cluster.use(hosts: 1, containers: 2, defaultRoutes: true) { cluster in
      let fabric = Fabric(cluster: cluster, routers: [])
      let lab = cluster.hosts[0]
      try lab.shell("ip link add blue type vrf table 77 && ip link set blue up", in: lab.host)
      let networks = [
        network(fabric, 1, "red", 4001), network(fabric, 2, "red", 4001), network(fabric, 3, "blue", 4002),
      ]
      let attachments = try networks.enumerated().map { index, network in
        try network.attach(1, as: "eth\(index)")
      }
      #expect(try lab.link("blue", in: lab.host)?.text("linkinfo.info_data.table") == "77")
      #expect(try lab.link("red", in: lab.host)?.text("linkinfo.info_data.table") == "\((1 << 30) + 4001)")
      for attachment in attachments { try attachment.delete() }
      func shared() throws -> [String] {
        try lab.linkNames(in: lab.host).filter { $0.contains("l3-") || $0 == "red" || $0 == "blue" }
      }
      try networks[0].collectGarbage()
      #expect(try shared() == ["blue", "ovl3-4001", "ovl3-4002", "red", "vxl3-4001", "vxl3-4002"])
      try networks[1].collectGarbage()
      #expect(try shared() == ["blue", "ovl3-4002", "vxl3-4002"])
      try networks[2].collectGarbage()
      #expect(try shared() == ["blue"])
    }
  }

  static let conflicts = [
    ("ip link add red type bridge", "it is not a VRF"), ("ip link add red type vrf table 9", "has table 9"),
    ("ip link add other type vxlan id 4001 dstport 4789 local 172.30.0.11", "other is"),
    ("ip link add ovl3-4001 type veth peer name x", "ovl3-4001 is not a bridge"),
    ("ip link add vxl3-4001 type bridge", "vxl3-4001 is not a VXLAN device"),
  ]

  @Test func `ADD keeps a conflicting device and reports it`() throws {
    for (making, fragment) in Self.conflicts {
      try Cluster.use(hosts: 1, containers: 1, defaultRoutes: true) { cluster in
        let lab = cluster.hosts[0]
        var network = network(Fabric(cluster: cluster, routers: []), 1, "red", 4001)
        network.keys = network.keys.with("vrfTable", .integer(1001))
        try lab.shell("ip link set lo up", in: lab.container(1))
        try lab.shell(making, in: lab.host)
        let before = try Snapshot(of: lab)
        let outcome = try network.add()
        #expect(outcome.code == 7 && outcome.complaint.contains(fragment), "\(making): \(outcome)")
        try lab.expectUnchanged(since: before)
      }
    }
  }
}
