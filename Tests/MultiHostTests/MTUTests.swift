import CNI
import LabSupport
import Testing

/// An underlay whose MTU is lower than when the network was created.
@Suite(.needsRoot) struct MTUTests {
  static let variants: [(OverlayNetwork.Kind, Family)] = [(.l2, .v4), (.l3, .v6), (.multicast, .v4)]

  @Test(arguments: variants)
  func `new containers get the underlay's smaller MTU, and STATUS reports links with a larger one`(
    kind: OverlayNetwork.Kind, underlay: Family
  ) throws {
    try Cluster.use(hosts: 2, containers: 2) { cluster in
      let network = OverlayNetwork(cluster: cluster, kind: kind, number: 1, underlay: underlay)
      let old = try network.attachEverywhere([1])
      try cluster.expect(old.mutual)
      #expect(try status(network).complaint == "")
      let most = network.mtu - 100
      for index in cluster.hosts.indices {
        try cluster.hosts[index].shell("ip link set p\(index) mtu 1400", in: cluster.fabric)
        try cluster.hosts[index].shell("ip link set eth0 mtu 1400", in: cluster.hosts[index].host)
      }
      let new = try network.attachEverywhere([2])
      for attachment in new {
        #expect(try attachment.lab.link("eth0", in: attachment.namespace)?.text("mtu") == "\(most)")
        let end = try #require(attachment.hostEnd)
        #expect(try attachment.lab.link(end, in: attachment.lab.host)?.text("mtu") == "\(most)")
        #expect(try attachment.check().complaint == "")
      }
      let fragments = try cluster.hosts.map { try self.fragments(of: $0) }
      try cluster.expect(pings(new, size: most))
      #expect(try cluster.hosts.map { try self.fragments(of: $0) } == fragments)
      let outcome = try status(network), port = try #require(old[0].hostEnd), other = try #require(new[0].hostEnd)
      #expect(outcome.code == 51, "\(outcome)")
      for part in [
        "the underlay carries 1400", "want at most \(most)", "\(network.vxlan) with \(network.mtu)",
        "container port \(port) with \(network.mtu)",
      ] { #expect(outcome.complaint.contains(part), "\(outcome)") }
      #expect(!outcome.complaint.contains(other))
      // The remedy in the message must be sufficient.
      for attachment in old { try attachment.delete() }
      for lab in cluster.hosts { try lab.shell("ip link set \(network.vxlan) mtu \(most)", in: lab.host) }
      let again = try network.attachEverywhere([1])
      try cluster.expect(pings(again + new, size: most))
      #expect(try status(network).complaint == "")
    }
  }

  private func status(_ network: OverlayNetwork) throws -> Outcome {
    try network.cluster.hosts[0].ask("STATUS", network.config(on: 0), plugin: "overlay-vxlan")
  }

  /// Pings between containers on different hosts, with this size and without fragmentation.
  private func pings(_ attachments: [Attachment], size: Int) -> [ExpectedReply] {
    attachments.flatMap { from in
      attachments.filter { $0.host != from.host }.flatMap { to in
        to.addresses.map { .ping(from.namespace, $0, true, size: size - ($0.contains(":") ? 48 : 28)) }
      }
    }
  }

  /// The number of fragments that a host has sent, in each family.
  private func fragments(of lab: Lab) throws -> String {
    try lab.shell("nstat -asz IpFragCreates Ip6FragCreates | sed 1d", in: lab.host)
  }
}
