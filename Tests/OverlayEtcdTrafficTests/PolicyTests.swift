import CNI
import EtcdSupport
import Foundation
import LabSupport
import Testing

/// Policies by label between networks of three hosts, whose labels travel through etcd.
@Suite(.needsRoot, .serialized)
struct `Policies through etcd` {
  /// Networks 1 and 2 on all hosts: those of network 1 have the label, the policy of network 2 names it.
  ///
  /// Containers are numbered as their networks.
  private static func networks(_ site: Site) throws -> [EtcdNetwork] {
    let keys = [
      #"{"isolation": "none", "policy": {"default": "allow"}}"#,
      #"""
      {"policy": {"ingress": [{"from": {"label": "tier=web"}, "ports": ["80"]}],
                  "egress": [{"to": {"label": "tier=web"}, "ports": ["81"]}]}}
      """#,
    ]
    return try zip(1...2, keys).map { number, keys in
      EtcdNetwork(site: site, number: number, keys: try JSONValue(json: keys))
    }
  }

  private static let web = #"[{"key": "tier", "value": "web"}]"#

  private static func servers(_ attached: [Attached]) -> [Server] {
    attached.flatMap { container in
      [80, 81].map { Server("container", in: container.namespace, .tcp, $0) }
    }
  }

  /// Whether connections from one container to another are answered, in both families.
  private static func answers(_ from: Attached, _ to: Attached, _ port: Int, patience: Double) throws -> [Bool] {
    let probes = to.addresses.map { Probe(from: from.namespace, to: $0, .tcp, port, patience: patience) }
    return try from.network.site.cluster.answers(to: probes, servers: servers([from, to])).map {
      if case .by = $0 { true } else { false }
    }
  }

  private static func expect(
    _ from: Attached, _ to: Attached, _ port: Int, _ isAnswered: Bool, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let found = try answers(from, to, port, patience: isAnswered ? 45 : 1)
    #expect(found == [isAnswered, isAnswered], sourceLocation: sourceLocation)
  }

  @Test func `a label counts on all hosts, from the next ADD or sync on`() throws {
    try Site.use(containers: 4) { site in
      let networks = try Self.networks(site)
      let limited = try [0, 1].map { try networks[1].attach(2, on: $0) }
      let web = try [0, 1].map { try networks[0].attach(1, on: $0, labels: Self.web) }
      let other = try networks[0].attach(3, on: 1)
      #expect(try site.keys("\(networks[0].prefix)/labels/").count == 4)
      for host in [0, 1] { for network in networks { _ = try network.cnictl("overlay sync", on: host) } }
      for (from, to) in [(web[0], limited[0]), (web[0], limited[1]), (web[1], limited[0])] {
        try Self.expect(from, to, 80, true)
        try Self.expect(from, to, 81, false)
        try Self.expect(to, from, 81, true)
        try Self.expect(to, from, 80, false)
      }
      try Self.expect(other, limited[0], 80, false)
      try Self.expect(limited[0], other, 81, false)
      for container in limited + web { #expect(try container.check().complaint == "") }
      for container in limited + web + [other] { #expect(try container.delete().complaint == "") }
      #expect(try site.keys("\(networks[0].prefix)/labels/") == [])
    }
  }

  @Test func `a host that watches etcd follows labels that come and go, also of policies that come later`() throws {
    try Site.use(containers: 4) { site in
      let networks = try Self.networks(site)
      let first = try networks[0].attach(1, on: 0)
      let limited = try networks[1].attach(2, on: 0)
      try networks[1].attach(2, on: 1).delete().requireSuccess()
      try networks[0].watching(on: 0) {
        try networks[1].watching(on: 0) {
          let web = try networks[0].attach(1, on: 1, labels: Self.web)
          try eventually("host 0 knows the label") { try Self.answers(web, limited, 80, patience: 1) == [true, true] }
          try Self.expect(limited, web, 81, true)
          try limited.delete().requireSuccess()
          let later = try networks[1].attach(4, on: 0)
          try Self.expect(web, later, 80, true)
          try web.delete().requireSuccess()
          let plain = try networks[0].attach(1, on: 1)
          try eventually("host 0 has forgotten the label") {
            try site.cluster.hosts[0].shell("nft list ruleset", in: site.cluster.hosts[0].host)
              .contains(web.addresses[0]) == false
          }
          try Self.expect(plain, later, 80, false)
        }
      }
      _ = first
    }
  }

  @Test func `GC withdraws the labels of a container that is gone`() throws {
    try Site.use(containers: 1) { site in
      let network = try Self.networks(site)[0], host = site.cluster.hosts[0]
      let web = try network.attach(1, on: 0, labels: Self.web)
      try host.ask(
        "GC",
        network.config(on: 0).with(
          "cni.dev/valid-attachments", JSONValue(json: #"[{"containerID": "other", "ifname": "eth0"}]"#)),
        plugin: "overlay-vxlan"
      ).requireSuccess()
      #expect(try site.keys("\(network.prefix)/labels/") == [])
      #expect(try web.delete().complaint == "")
    }
  }

  /// The tiers of an application and its log server on three hosts: front 1, app 2, db 3, mgmt 4.
  private static let tiers = [
    #"{"egress": [{"to": {"network": "net2"}, "ports": ["80/tcp"]}, {"to": {"network": "net4"}, "ports": ["514"]}]}"#,
    #"""
    {"ingress": [{"from": {"network": "net1"}, "ports": ["80/tcp"]}],
     "egress": [{"to": {"network": "net3"}, "ports": ["5432/tcp"]}, {"to": {"network": "net4"}, "ports": ["514"]}]}
    """#,
    #"""
    {"ingress": [{"from": {"network": "net2"}, "ports": ["5432/tcp"]}],
     "egress": [{"to": {"network": "net4"}, "ports": ["514"]}]}
    """#,
    #"""
    {"ingress": [{"from": {"network": "net1"}, "ports": ["514"]}, {"from": {"network": "net2"}, "ports": ["514"]},
                 {"from": {"network": "net3"}, "ports": ["514"]}]}
    """#,
  ]

  /// Which connections between tiers the policies allow; TCP and UDP for syslog.
  private static let allowed: Set<[Int]> = [[1, 2, 80], [2, 3, 5432], [1, 4, 514], [2, 4, 514], [3, 4, 514]]

  @Test func `tiers on three hosts reach what they need and nothing else, and send syslog but no ssh to mgmt`() throws {
    try Site.use(containers: 4) { site in
      let networks = try zip(1...4, Self.tiers).map { number, policy in
        EtcdNetwork(site: site, number: number, keys: try JSONValue(json: #"{"policy": \#(policy)}"#))
      }
      let attached = try networks.map { network in try [0, 1, 2].map { try network.attach(network.number, on: $0) } }
      for host in [0, 1, 2] { for network in networks { _ = try network.cnictl("overlay sync", on: host) } }
      var servers: [Server] = []
      for container in attached.joined() {
        servers += [22, 80, 514, 5432].map { Server("container", in: container.namespace, .tcp, $0) }
        servers.append(Server("container", in: container.namespace, .udp, 514))
      }
      var probes: [Probe] = [], wanted: [Bool] = []
      for (from, to) in networks.flatMap({ one in networks.map { (one.number, $0.number) } }) where from != to {
        for (transport, port) in [(Probe.Transport.tcp, 22), (.tcp, 80), (.tcp, 514), (.tcp, 5432), (.udp, 514)] {
          let isAllowed = Self.allowed.contains([from, to, port])
          for (host, address) in [0, 1, 2].flatMap({ host in
            attached[to - 1][(host + 1) % 3].addresses.map { (host, $0) }
          }) {
            probes.append(
              Probe(
                from: attached[from - 1][host].namespace, to: address, transport, port, patience: isAllowed ? 45 : 2))
            wanted.append(isAllowed)
          }
        }
      }
      let answers = try site.cluster.answers(to: probes, servers: servers)
      let wrong = zip(zip(probes, wanted), answers).compactMap { pair, answer -> String? in
        let isAnswered = if case .by = answer { true } else { false }
        return isAnswered == pair.1
          ? nil : "\(pair.0.namespace) to \(pair.0.address) \(pair.0.transport) \(pair.0.port): \(answer)"
      }
      #expect(wrong == [])
    }
  }
}
