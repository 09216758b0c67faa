import CNI
import LabSupport
import Testing

/// Allowed connections, with isolation beyond that between networks.
@Suite(.needsRoot) struct IsolationTests {
  static let kinds = OverlayNetwork.Kind.allCases

  @Test(arguments: kinds)
  func `isolation container blocks traffic between containers on one host and across hosts`(
    kind: OverlayNetwork.Kind
  ) throws {
    try Cluster.use(hosts: 2, containers: 2) { cluster in
      let network = OverlayNetwork(
        cluster: cluster, kind: kind, number: 1, keys: try JSONValue(json: #"{"isolation": "container"}"#))
      let attachments = try network.attachEverywhere([1, 2])
      try cluster.expect(attachments.mutual.map { .ping($0.probe.namespace, $0.probe.address, false) })
      let gateways = attachments.flatMap { from in
        network.gateways(of: from.host).map { ExpectedReply.ping(from.namespace, $0, true) }
      }
      try cluster.expect(gateways)
      for attachment in attachments { #expect(try attachment.check().complaint == "") }
    }
  }

  @Test(arguments: kinds)
  func `networks with isolation none reach each other through their gateways`(kind: OverlayNetwork.Kind) throws {
    try Cluster.use(hosts: 2, containers: 2) { cluster in
      let open = try JSONValue(json: #"{"isolation": "none"}"#)
      let first = try OverlayNetwork(cluster: cluster, kind: kind, number: 1, keys: open).attachEverywhere([1])
      let second = try OverlayNetwork(cluster: cluster, kind: kind, number: 2, keys: open).attachEverywhere([2])
      let across = first.flatMap { from in
        // In l2 every host has the gateway, so containers of another host answer through their own host.
        second.filter { kind.isRouted || $0.host == from.host }.flatMap { to in
          to.addresses.map { ExpectedReply.ping(from.namespace, $0, true) }
        }
      }
      try cluster.expect(across + first.mutual + second.mutual)
    }
  }

  @Test(arguments: kinds, ["iptables", "nftables"])
  func `only the published port is reachable from outside`(
    kind: OverlayNetwork.Kind, backend: String
  ) throws {
    try Cluster.use(hosts: 2, containers: 1) { cluster in
      let network = OverlayNetwork(
        cluster: cluster, kind: kind, number: 1, keys: .object(["backend": .string(backend)]))
      let attachments = try network.attachEverywhere([1])
      let lab = cluster.hosts[0]
      let portmap = try JSONValue(
        json: #"""
          {"cniVersion": "1.1.0", "name": "\#(network.name)", "type": "portmap", "backend": "\#(backend)",
           "runtimeConfig": {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}}
          """#
      ).with("prevResult", attachments[0].result)
      try lab.add(portmap, plugin: "portmap").requireSuccess()
      // The machine outside has routes to the containers, so that only a rule can block it.
      let routes = zip(network.subnets(of: 0), Family.allCases).map {
        "ip \($1.rawValue) route add \($0) via \(cluster.underlay(0, $1))"
      }
      try lab.shell(routes.joined(separator: "\n"), in: cluster.fabric)
      func expectedReply(_ from: String, _ to: String, _ port: Int, _ isAnswered: Bool) -> ExpectedReply {
        ExpectedReply(
          probe: Probe(from: from, to: to, .tcp, port, patience: isAnswered ? 45 : 1), isAnswered: isAnswered)
      }
      let outside = Family.allCases.map { expectedReply(cluster.fabric, cluster.underlay(0, $0), 8080, true) }
      let direct = attachments[0].addresses.map { expectedReply(cluster.fabric, $0, 80, false) }
      let within = attachments[0].addresses.map { expectedReply(attachments[1].namespace, $0, 80, true) }
      try cluster.expect(
        outside + direct + within, servers: [Server("container", in: attachments[0].namespace, .tcp, 80)])
    }
  }

  /// An address that the container keeps when it moves.
  private static func moving(_ network: OverlayNetwork, on host: Int) throws -> JSONValue {
    let addresses = zip(network.prefixes, network.gateways(of: host)).map { prefix, gateway in
      let address = gateway.dropLast() + (prefix.contains(":") ? "f0/64" : "240/24")
      return #"{"address": "\#(address)", "gateway": "\#(gateway)"}"#
    }
    // The reference's `static` supports no later version.
    return try network.config(on: host).merging(
      JSONValue(
        json:
          #"{"cniVersion": "1.0.0", "ipam": {"type": "static", "addresses": [\#(addresses.joined(separator: ","))]}}"#))
  }

  @Test(arguments: kinds.filter { !$0.isRouted })
  func `a container that moves to another host stays reachable`(kind: OverlayNetwork.Kind) throws {
    try Cluster.use(containers: 2) { cluster in
      let network = OverlayNetwork(cluster: cluster, kind: kind, number: 1)
      let staying = try network.attachEverywhere([1])
      for (old, new) in [(0, 1), (1, 2), (2, 0)] {
        try cluster.hosts[old].delete(Self.moving(network, on: old), from: 2, plugin: "overlay-vxlan").requireSuccess()
        let added = try cluster.hosts[new].add(Self.moving(network, on: new), to: 2, plugin: "overlay-vxlan").result()
        let moved = Attachment(network: network, host: new, container: 2, interface: "eth0", result: added)
        try cluster.expect((staying + [moved]).mutual)
      }
    }
  }
}
