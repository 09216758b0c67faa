import CNI
import LabSupport
import Testing

/// The source addresses of containers' packets outside.
@Suite(.needsRoot) struct MasqueradeTests {
  static let variants = OverlayNetwork.Kind.allCases.flatMap { kind in ["iptables", "nftables"].map { (kind, $0) } }

  @Test(arguments: variants)
  func `ipMasq changes the source of packets to the outside but not within the network`(
    kind: OverlayNetwork.Kind, backend: String
  ) throws {
    try Cluster.use(hosts: 2, containers: 1, defaultRoutes: true) { cluster in
      let network = OverlayNetwork(
        cluster: cluster, kind: kind, number: 1,
        keys: try JSONValue(json: #"{"ipMasq": true, "ipMasqBackend": "\#(backend)"}"#))
      let attachments = try network.attachEverywhere([1])
      let servers =
        attachments.map { Server("container", in: $0.namespace, .tcp, 80) }
        + [Server("world", in: cluster.fabric, .tcp, 80)]
      var probes: [Probe] = [], wanted: [Probe.Answer] = []
      for (from, to) in [(attachments[0], attachments[1]), (attachments[1], attachments[0])] {
        for (index, outside) in ["172.30.0.1", "fd30::1"].enumerated() {
          probes.append(Probe(from: from.namespace, to: outside, .tcp, 80, patience: 45))
          let host = cluster.underlay(from.host, Family.allCases[index])
          wanted.append(.by("world", seeing: host, keptPort: true))
          probes.append(Probe(from: from.namespace, to: to.addresses[index], .tcp, 80, patience: 45))
          wanted.append(.by("container", seeing: from.addresses[index], keptPort: true))
        }
      }
      let answers = try cluster.answers(to: probes, servers: servers)
      for (answer, expectedReply) in zip(answers, wanted) { #expect(answer == expectedReply) }
    }
  }

  @Test(arguments: OverlayNetwork.Kind.allCases)
  func `without ipMasq the outside sees the container's own address`(
    kind: OverlayNetwork.Kind
  ) throws {
    try Cluster.use(hosts: 2, containers: 1, defaultRoutes: true) { cluster in
      let network = OverlayNetwork(cluster: cluster, kind: kind, number: 1)
      let attachment = try network.attach()
      let routes = zip(network.prefixes, ["", "-6"]).map { prefix, flag in
        "ip \(flag) route add \(prefix) via \(cluster.underlay(0, flag.isEmpty ? .v4 : .v6))"
      }
      try attachment.lab.shell(routes.joined(separator: "\n"), in: cluster.fabric)
      let probes = ["172.30.0.1", "fd30::1"].map { Probe(from: attachment.namespace, to: $0, .tcp, 80, patience: 45) }
      let answers = try cluster.answers(to: probes, servers: [Server("world", in: cluster.fabric, .tcp, 80)])
      #expect(answers == attachment.addresses.map { .by("world", seeing: $0, keptPort: true) })
    }
  }
}
