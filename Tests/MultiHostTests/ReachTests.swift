import CNI
import LabSupport
import Testing

/// Three hosts, two networks, three containers of each on each host.
@Suite(.needsRoot) struct ReachTests {
  /// Networks of every kind, over each kind of underlay.
  static let variants = OverlayNetwork.Kind.allCases.flatMap { kind in Family.allCases.map { (kind, $0) } }

  @Test(arguments: variants)
  func `containers reach their own network and no other network`(kind: OverlayNetwork.Kind, underlay: Family) throws {
    try Cluster.use(containers: 6) { cluster in
      // With and without bridge-nf-call: whether the packet filter sees bridged packets.
      for lab in cluster.hosts {
        let setting = ["", "6"].map { "net.bridge.bridge-nf-call-ip\($0)tables=\(underlay == .v4 ? 1 : 0)" }
        try lab.shell("sysctl -qw \(setting.joined(separator: " "))", in: lab.host)
      }
      let networks = (1...2).map {
        OverlayNetwork(cluster: cluster, kind: kind, number: $0, underlay: underlay, readsFile: $0 == 2)
      }
      if kind != .multicast { try networks[1].writePeers([0, 1, 2]) }
      let first = try networks[0].attachEverywhere([1, 2, 3])
      let second = try networks[1].attachEverywhere([4, 5, 6])
      try cluster.expect(first.mutual + second.mutual)
      try first.addAddresses(into: networks[1])
      try second.addAddresses(into: networks[0])
      try cluster.expect(first.unreachable(from: second) + second.unreachable(from: first))
      try cluster.expect(gatewaysOfOthers(first, networks[1]) + gatewaysOfOthers(second, networks[0]))
      // Missing answers prove isolation only if the expected answers arrive.
      try cluster.expect(first.mutual + second.mutual)
      for attachment in first + second { #expect(try attachment.check().complaint == "") }
    }
  }

  /// Pings through the hosts to another network's gateways on other hosts.
  private func gatewaysOfOthers(_ attachments: [Attachment], _ other: OverlayNetwork) -> [ExpectedReply] {
    guard other.kind.isRouted else { return [] }
    return attachments.flatMap { from in
      (0..<3).filter { $0 != from.host }.flatMap { host in
        other.gateways(of: host).map { ExpectedReply.ping(from.namespace, $0, false) }
      }
    }
  }

  @Test(arguments: Family.allCases)
  func `networks of different kinds share hosts`(underlay: Family) throws {
    try Cluster.use(hosts: 2, containers: 3) { cluster in
      let attachments = try OverlayNetwork.Kind.allCases.enumerated().map { index, kind in
        try OverlayNetwork(cluster: cluster, kind: kind, number: index + 1, underlay: underlay)
          .attachEverywhere([index + 1])
      }
      try cluster.expect(attachments.flatMap(\.mutual))
      try cluster.expect(
        attachments[0].unreachable(from: attachments[1] + attachments[2]).filter { $0.probe.source == nil }
          + attachments[1].unreachable(from: attachments[2]).filter { $0.probe.source == nil })
    }
  }

  @Test(arguments: OverlayNetwork.Kind.allCases)
  func `a dead host makes only its own containers unreachable`(kind: OverlayNetwork.Kind) throws {
    try Cluster.use(containers: 2) { cluster in
      var network = OverlayNetwork(cluster: cluster, kind: kind, number: 1)
      network.readsFile = kind != .multicast
      if network.readsFile { try network.writePeers([0, 1, 2]) }
      let attachments = try network.attachEverywhere([1])
      try cluster.expect(attachments.mutual)
      try cluster.kill(2)
      let alive = attachments.filter { $0.host != 2 }
      let lost = alive.flatMap { from in attachments[2].addresses.map { ExpectedReply.ping(from.namespace, $0, false) }
      }
      try cluster.expect(alive.mutual + lost)
      if network.readsFile { try network.writePeers([0, 1]) }
      let late = try network.attach(2, on: 1)
      try cluster.expect((alive + [late]).mutual)
    }
  }
}
