import CNI
import LabSupport
import Testing

/// The key `policy` of `overlay-vxlan`: which connections pass between networks that span hosts.
@Suite(.needsRoot) struct PolicyTests {
  /// Networks 1, 2 and 3, each with a container on each of two hosts; network 2 has the policy.
  ///
  /// Containers are numbered as their networks.
  private static func use(
    _ policy: String, of peers: String = "{}", _ body: (Cluster, [[Attachment]]) throws -> Void
  ) throws {
    try Cluster.use(hosts: 2, containers: 3) { cluster in
      let keys = [#"{"isolation": "none", "policy": {"default": "allow"}}"#, #"{"policy": \#(policy)}"#, peers]
      let attachments = try zip(1...3, keys).map { number, keys in
        try OverlayNetwork(
          cluster: cluster, kind: .l3, number: number,
          keys: JSONValue(json: #"{"isolation": "none"}"#).merging(JSONValue(json: keys))
        ).attachEverywhere([number])
      }
      try body(cluster, attachments)
    }
  }

  /// Connections from each container of one network to each of another, in both families.
  private static func probes(
    _ from: [Attachment], _ to: [Attachment], _ port: Int, _ isAnswered: Bool
  ) -> [ExpectedReply] {
    from.flatMap { from in
      to.flatMap { to in
        to.addresses.map {
          ExpectedReply(
            probe: Probe(from: from.namespace, to: $0, .tcp, port, patience: isAnswered ? 45 : 1),
            isAnswered: isAnswered)
        }
      }
    }
  }

  private static func servers(_ attachments: [[Attachment]]) -> [Server] {
    attachments.joined().flatMap { attachment in
      [80, 81].map { Server("container", in: attachment.namespace, .tcp, $0) }
    }
  }

  @Test func `a policy allows the networks that it lists, on one host and across hosts`() throws {
    try Self.use(
      #"""
      {"ingress": [{"from": {"network": "net1"}, "ports": ["80/tcp"]}],
       "egress": [{"to": {"network": "net3"}, "ports": ["81/tcp"]}]}
      """#
    ) { cluster, networks in
      let (one, two, three) = (networks[0], networks[1], networks[2])
      try cluster.expect(
        Self.probes(one, two, 80, true) + Self.probes(one, two, 81, false) + Self.probes(three, two, 80, false)
          + Self.probes(two, three, 81, true) + Self.probes(two, three, 80, false) + Self.probes(two, one, 80, false)
          + Self.probes(one, three, 80, true) + two.mutual,
        servers: Self.servers(networks))
      for attachment in networks.joined() { #expect(try attachment.check().complaint == "") }
    }
  }

  @Test func `the host that a packet reaches denies it as well as the host that it leaves`() throws {
    try Self.use(#"{"ingress": [{"from": {"network": "net1"}, "ports": ["80/tcp"]}], "egress": [{}]}"#) {
      cluster, networks in
      // A host that does not know the policy of network 2: of an earlier release, or with flanneld.
      let lab = cluster.hosts[0]
      try lab.shell("nft flush chain inet swift_cni far_policies", in: lab.host)
      let far = [networks[1][1]]
      try cluster.expect(
        Self.probes([networks[0][0]], far, 80, true) + Self.probes([networks[0][0]], far, 81, false)
          + Self.probes([networks[2][0]], far, 80, false),
        servers: Self.servers(networks))
    }
  }

  @Test func `the host that a packet leaves denies it`() throws {
    try Self.use(#"{"ingress": [{"from": {"network": "net1"}, "ports": ["80/tcp"]}], "egress": [{}]}"#) {
      cluster, networks in
      let lab = cluster.hosts[1]
      try lab.shell("nft flush chain inet swift_cni policies", in: lab.host)
      let far = [networks[1][1]]
      try cluster.expect(
        Self.probes([networks[0][0]], far, 80, true) + Self.probes([networks[0][0]], far, 81, false)
          + Self.probes([networks[2][0]], far, 80, false),
        servers: Self.servers(networks))
    }
  }

  @Test func `the last container leaves no policy, and GC no rules for other hosts`() throws {
    try Self.use(#"{"ingress": [{"from": {"network": "net1"}}]}"#) { cluster, networks in
      for attachment in networks.joined() { try attachment.delete() }
      for network in networks { for host in [0, 1] { try network[0].network.collectGarbage(on: host) } }
      for host in [0, 1] { #expect(try networks[0][0].network.remains(on: host) == "") }
    }
  }

  @Test func `an ADD without the policy removes the rules for other hosts`() throws {
    try Self.use(#"{"ingress": []}"#) { cluster, networks in
      let lab = cluster.hosts[0]
      #expect(try lab.shell("nft list ruleset", in: lab.host).contains("limited_far"))
      try networks[1][0].delete()
      var open = networks[1][0].network
      open.keys = try JSONValue(json: #"{"isolation": "none"}"#)
      _ = try open.attach(2, on: 0)
      #expect(try !lab.shell("nft list ruleset", in: lab.host).contains("limited_far"))
    }
  }

  @Test func `after a flush CHECK names the policy and repair restores it`() throws {
    try Self.use(#"{"ingress": [{"from": {"network": "net1"}, "ports": ["80/tcp"]}]}"#) { cluster, networks in
      let lab = cluster.hosts[0]
      try lab.shell("nft flush ruleset", in: lab.host)
      #expect(try networks[1][0].check().complaint.contains("policy of"))
      try lab.run("\(Binaries.ours)/cnictl", ["repair"], in: lab.host).requireSuccess()
      #expect(try networks[1][0].check().complaint == "")
      try cluster.expect(
        Self.probes(networks[0], networks[1], 80, true) + Self.probes(networks[2], networks[1], 80, false),
        servers: Self.servers(networks))
    }
  }

  /// Runs `cnictl policy` on a host with the configuration of an attachment's network, its only one.
  private static func policy(
    _ arguments: String, of attachment: Attachment, on host: Int, in lab: Lab, input: String = ""
  ) throws -> Outcome {
    let directory = "\(lab.directory)/conf", network = attachment.network
    try lab.shell(
      "mkdir -p \(directory); cat > \(directory)/net.conf <<'END'\n\(network.config(on: host).line)\nEND", in: lab.host)
    return try lab.run(
      "\(Binaries.ours)/cnictl",
      ["policy"] + arguments.split(separator: " ").map(String.init)
        + ["--conf-dir", directory, "--plugin-dir", Binaries.ours], in: lab.host, input: input)
  }

  @Test func `cnictl policy apply changes the policy for containers here and on other hosts`() throws {
    try Self.use(#"{"ingress": [{"from": {"network": "net1"}, "ports": ["80/tcp"]}], "egress": [{}]}"#) {
      cluster, networks in
      let document = #"""
        {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"namespace": "net2"},
         "spec": {"podSelector": {}, "ingress": [{
           "from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "net3"}}}],
           "ports": [{"port": 81}]}]}}
        """#
      for (host, lab) in cluster.hosts.enumerated() {
        let output = try Self.policy("apply -", of: networks[1][0], on: host, in: lab, input: document).output
        #expect(output.contains("policy changed"))
      }
      try cluster.expect(
        Self.probes(networks[2], networks[1], 81, true) + Self.probes(networks[2], networks[1], 80, false)
          + Self.probes(networks[0], networks[1], 80, false) + networks[1].mutual,
        servers: Self.servers(networks))
    }
  }

  @Test func `cnictl policy rm removes the policy for containers here and on other hosts`() throws {
    try Self.use(#"{"ingress": [{"from": {"network": "net1"}, "ports": ["80/tcp"]}], "egress": []}"#) {
      cluster, networks in
      try cluster.expect(Self.probes(networks[2], networks[1], 81, false), servers: Self.servers(networks))
      for (host, lab) in cluster.hosts.enumerated() {
        try Self.policy("rm net2", of: networks[1][0], on: host, in: lab).requireSuccess()
        let rules = #"nft list ruleset | grep -E 'cni:net2|policy_|limited_' | grep -v ' tunnels"' || true"#
        #expect(try lab.shell(rules, in: lab.host) == "")
      }
      try cluster.expect(
        Self.probes(networks[2], networks[1], 81, true) + Self.probes(networks[1], networks[0], 80, true)
          + networks[1].mutual, servers: Self.servers(networks))
    }
  }

  @Test func `cnictl policy rm is refused if attached containers would lack the isolation that is then the default`()
    throws
  {
    try Cluster.use(hosts: 1, containers: 1) { cluster in
      let keys = try JSONValue(json: #"{"policy": {"ingress": [], "egress": []}}"#)
      let attachment = try OverlayNetwork(cluster: cluster, kind: .l3, number: 1, keys: keys).attach(1, on: 0)
      let lab = cluster.hosts[0], rules = "nft list ruleset | grep -v counter",
        before = try lab.shell(rules, in: lab.host)
      let outcome = try Self.policy("rm net1 --json", of: attachment, on: 0, in: lab)
      #expect(outcome.complaint.contains(#"its key "isolation" is "network" by default"#), "\(outcome)")
      #expect(try lab.shell(rules, in: lab.host) == before)
      try attachment.delete()
      try Self.policy("rm net1", of: attachment, on: 0, in: lab).requireSuccess()
    }
  }
}
