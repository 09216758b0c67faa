import CNI
import LabSupport
import Testing

/// The tunnel tables for the other hosts.
@Suite(.needsRoot) struct PeersTests {
  static let variants = ReachTests.variants.filter { $0.0 != .multicast }

  /// All FDB entries, neighbours and routes of a network's devices that lead to `vtep` or the containers behind it.
  private func traces(of host: Int, on lab: Lab, _ network: OverlayNetwork) throws -> [String] {
    let output = try lab.shell(
      """
      bridge fdb show dev \(network.vxlan)
      for d in \(network.vxlan) \(network.bridge); do ip neigh show dev $d nud permanent; done
      ip route show dev \(network.vxlan); ip -6 route show dev \(network.vxlan)
      """, in: lab.host)
    let vtep = "\(network.cluster.underlay(host, network.underlay)) "
    let behind = network.kind.isRouted ? network.subnets(of: host).map { String($0.prefix { $0 != "/" }) } : []
    return output.split(separator: "\n").map { "\($0) " }
      .filter { line in ([vtep] + behind).contains { line.contains($0) } }
  }

  @Test(arguments: variants)
  func `CHECK reports a peer that left the peers file, and the next ADD removes it`(
    kind: OverlayNetwork.Kind, underlay: Family
  ) throws {
    try Cluster.use(containers: 2) { cluster in
      let network = OverlayNetwork(cluster: cluster, kind: kind, number: 1, underlay: underlay, readsFile: true)
      try network.writePeers([0, 1, 2])
      let attachments = try network.attachEverywhere([1])
      try cluster.expect(attachments.mutual)
      let lab = cluster.hosts[0]
      let kept = try traces(of: 1, on: lab, network)
      #expect(kept.count == (kind.isRouted ? 5 : 1))
      #expect(try traces(of: 2, on: lab, network).count == kept.count)
      try network.writePeers([0, 1])
      let outcome = try attachments[0].check()
      #expect(outcome.code != nil && outcome.complaint.contains(cluster.underlay(2, underlay)), "\(outcome)")
      _ = try network.attach(2)
      #expect(try traces(of: 2, on: lab, network) == [])
      #expect(try traces(of: 1, on: lab, network) == kept)
      #expect(try attachments[0].check().complaint == "")
      try network.writePeers([2, 0, 1])
      #expect(try attachments[0].check().code != nil)
      try lab.delete(network.config(on: 0), from: 2, plugin: "overlay-vxlan").requireSuccess()
      _ = try network.attach(2)
      #expect(try attachments[0].check().complaint == "")
      try cluster.expect(attachments.mutual)
    }
  }

  @Test(arguments: variants)
  func `ADD replaces wrong FDB entries, neighbours and routes of a peer`(kind: OverlayNetwork.Kind, underlay: Family)
    throws
  {
    try Cluster.use(hosts: 2, containers: 2) { cluster in
      let network = OverlayNetwork(cluster: cluster, kind: kind, number: 1, underlay: underlay)
      let attachments = try network.attachEverywhere([1])
      let lab = cluster.hosts[0], astray = underlay == .v4 ? "172.30.0.99" : "fd30::99"
      let right = try traces(of: 1, on: lab, network)
      let mac = try #require(try cluster.hosts[1].link(network.vxlan, in: cluster.hosts[1].host)?.text("address"))
      if kind.isRouted {
        let bases = network.subnets(of: 1).map { String($0.prefix { $0 != "/" }) }
        try lab.shell(
          """
          bridge fdb del \(mac) dev \(network.vxlan) self
          bridge fdb add \(mac) dev \(network.vxlan) dst \(astray) self dynamic
          ip neigh replace \(bases[0]) lladdr 02:00:00:00:00:99 dev \(network.vxlan) nud permanent
          ip neigh del \(bases[1]) dev \(network.vxlan)
          ip route del \(network.subnets(of: 1)[0])
          ip route add \(network.subnets(of: 1)[0]) via \(underlay == .v4 ? astray : "172.30.0.99")
          """, in: lab.host)
      } else {
        try lab.shell(
          """
          bridge fdb del 00:00:00:00:00:00 dev \(network.vxlan) dst \(cluster.underlay(1, underlay))
          bridge fdb append 00:00:00:00:00:00 dev \(network.vxlan) dst \(astray) self permanent
          """, in: lab.host)
      }
      let outcome = try attachments[0].check()
      #expect(outcome.code != nil)
      let late = try network.attach(2)
      #expect(try traces(of: 1, on: lab, network).sorted() == right.sorted())
      #expect(try !lab.shell("bridge fdb show dev \(network.vxlan)", in: lab.host).contains("\(astray) "))
      #expect(try attachments[0].check().complaint == "")
      try cluster.expect((attachments + [late]).mutual)
    }
  }

  @Test(arguments: Family.allCases)
  func `configured endpoints replace learned FDB entries and are reached without flooding`(underlay: Family) throws {
    try Cluster.use(containers: 2) { cluster in
      var network = OverlayNetwork(
        cluster: cluster, kind: .l2, number: 1, underlay: underlay, keys: try JSONValue(json: #"{"learning": true}"#))
      let attachments = try network.attachEverywhere([1])
      try cluster.expect(attachments.mutual)
      let lab = cluster.hosts[0], vtep = cluster.underlay(1, underlay)
      let mac = "02:42:0a:4d:01:50"  // of 10.77.1.80, the first of the second host
      func entries() throws -> [String] {
        try lab.shell("bridge fdb show dev \(network.vxlan)", in: lab.host).split(separator: "\n").map(String.init)
          .filter { $0.hasPrefix(mac) }
      }
      #expect(try entries().contains { $0.contains("dst \(vtep)") && !$0.contains("permanent") })
      let endpoints = attachments[1].addresses.map { #"{"ip": "\#($0)", "mac": "\#(mac)"}"# }.joined(separator: ",")
      network.keys = try JSONValue(
        json: #"""
          {"learning": true, "controlPlane": {"type": "static", "peers": [{"vtep": "\#(vtep)", "endpoints": [\#(endpoints)]},
                                              {"vtep": "\#(cluster.underlay(2, underlay))"}]}}
          """#)
      let late = try network.attach(2)
      let found = try entries()
      #expect(found.count == 2)
      #expect(found.contains { $0.contains("dst \(vtep)") && $0.contains("self") && !$0.contains("extern_learn") })
      #expect(found.contains { $0.contains("master \(network.bridge)") })
      let neighbours = try lab.shell("ip neigh show dev \(network.bridge) nud permanent", in: lab.host)
      #expect(attachments[1].addresses.allSatisfy { neighbours.contains("\($0) lladdr \(mac)") }, "\(neighbours)")
      try cluster.expect((attachments + [late]).mutual)
    }
  }

  @Test(arguments: Family.allCases)
  func `directRouting uses a plain route to a peer on the same link and the tunnel to one behind a router`(
    underlay: Family
  ) throws {
    try Cluster.use(containers: 1, defaultRoutes: true) { cluster in
      try cluster.putBehindRouter(2)
      let keys = try JSONValue(json: #"{"directRouting": true}"#)
      let network = OverlayNetwork(cluster: cluster, kind: .l3, number: 1, underlay: underlay, keys: keys)
      let attachments = try network.attachEverywhere([1])
      let lab = cluster.hosts[0]
      // If the underlay has only one family, routes of the other family use a gateway of that family.
      let near = underlay == .v4 ? network.subnets(of: 1)[0] : network.subnets(of: 1)[1]
      let family = underlay
      let direct = try lab.route(near, family, in: lab.host)
      #expect(direct?.text("gateway") == cluster.underlay(1, underlay) && direct?.text("dev") == "eth0")
      let far = try lab.route(
        underlay == .v4 ? network.subnets(of: 2)[0] : network.subnets(of: 2)[1], family, in: lab.host)
      #expect(far?.text("dev") == network.vxlan)
      try cluster.expect(attachments.mutual)
      #expect(try attachments[0].check().complaint == "")
    }
  }
}
