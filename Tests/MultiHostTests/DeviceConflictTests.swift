import CNI
import LabSupport
import Testing

/// Existing devices that do not fit the configuration.
@Suite(.needsRoot) struct DeviceConflictTests {
  /// Arguments of `ip link add`, with VNI, name, address and underlay as in `OverlayNetwork` 1 over IPv4, and the texts
  /// about the device and about the configuration that the error must contain.
  struct DeviceConflict: Sendable, CustomTestStringConvertible {
    var kind: OverlayNetwork.Kind
    var making: String
    var found: String
    var wanted: String
    var testDescription: String { "\(kind): \(making)" }
  }

  private static let usual = "local 172.30.0.11 dstport 4789 nolearning"
  static let conflicts: [DeviceConflict] =
    [OverlayNetwork.Kind.l2, .l3].flatMap { kind in
      [
        // A device with another name has the VNI.
        DeviceConflict(kind: kind, making: "name taken type vxlan id 101 \(usual)", found: "taken", wanted: "101"),
        DeviceConflict(kind: kind, making: "name vx-net1 type vxlan id 77 \(usual)", found: "77", wanted: "101"),
        DeviceConflict(
          kind: kind, making: "name vx-net1 type vxlan id 101 local 172.30.0.11 dstport 8472 nolearning", found: "8472",
          wanted: "4789"),
        DeviceConflict(
          kind: kind, making: "name vx-net1 type vxlan id 101 local 172.30.0.77 dstport 4789 nolearning",
          found: "172.30.0.77", wanted: "172.30.0.11"),
        DeviceConflict(
          kind: kind, making: "name vx-net1 type vxlan id 101 local 172.30.0.11 dstport 4789 learning",
          found: "learning", wanted: "learning"),
        DeviceConflict(kind: kind, making: "name vx-net1 type bridge", found: "bridge", wanted: "vxlan"),
        DeviceConflict(
          kind: kind, making: "name ov-net1 type veth peer name ov-other", found: "veth", wanted: "bridge"),
      ]
    } + [
      DeviceConflict(
        kind: .multicast,
        making: "name vx-net1 type vxlan id 101 group 239.9.9.9 dev eth0 local 172.30.0.11 dstport 4789",
        found: "239.9.9.9", wanted: "239.1.1.1"),
      DeviceConflict(
        kind: .multicast, making: "name vx-net1 type vxlan id 101 local 172.30.0.11 dstport 4789", found: "group",
        wanted: "239.1.1.1"),
    ]

  @Test(arguments: conflicts)
  func `ADD keeps a device that differs from the configuration and reports both`(conflict: DeviceConflict) throws {
    try Cluster.use(hosts: 1, containers: 1) { cluster in
      let network = OverlayNetwork(
        cluster: cluster, kind: conflict.kind, number: 1,
        keys: conflict.kind == .multicast ? .object([:]) : try Self.withPeer(conflict.kind))
      let lab = cluster.hosts[0]
      try lab.shell("ip link set lo up", in: lab.container(1))
      try lab.shell("ip link add \(conflict.making)", in: lab.host)
      let before = try Snapshot(of: lab)
      let outcome = try network.add()
      #expect(outcome.code == 7, "\(outcome)")
      #expect(
        outcome.complaint.contains(conflict.found) && outcome.complaint.contains(conflict.wanted),
        "\(outcome.complaint)")
      try lab.expectUnchanged(since: before)
    }
  }

  /// A single host needs a configured peer, to find its own address.
  private static func withPeer(_ kind: OverlayNetwork.Kind) throws -> JSONValue {
    let behind = kind.isRouted ? #", "subnets": ["10.81.2.0/24"]"# : ""
    let own = kind.isRouted ? #"{"vtep": "172.30.0.11", "subnets": ["10.81.1.0/24"]},"# : ""
    return try JSONValue(
      json: #"{"controlPlane": {"type": "static", "peers": [\#(own) {"vtep": "172.30.0.12"\#(behind)}]}}"#)
  }

  @Test(arguments: OverlayNetwork.Kind.allCases)
  func `two networks with one VNI on a host need different UDP ports`(kind: OverlayNetwork.Kind) throws {
    try Cluster.use(hosts: 2, containers: 2) { cluster in
      let first = OverlayNetwork(cluster: cluster, kind: kind, number: 1)
      _ = try first.attach(1)
      var second = OverlayNetwork(cluster: cluster, kind: kind, number: 2)
      second.keys = try JSONValue(json: #"{"vni": 101}"#)
      let lab = cluster.hosts[0]
      try lab.shell("ip link set lo up", in: lab.container(2))
      let before = try Snapshot(of: lab)
      let outcome = try second.add(2)
      #expect(outcome.code == 7, "\(outcome)")
      #expect([first.vxlan, "101", "want another vni"].allSatisfy(outcome.complaint.contains), "\(outcome.complaint)")
      try lab.expectUnchanged(since: before)
      second.keys = try JSONValue(json: #"{"vni": 101, "dstport": 4790}"#)
      try cluster.expect(try second.attachEverywhere([2]).mutual)
    }
  }
}
