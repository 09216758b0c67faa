import BaseSupport
import CNI
import LabSupport
import Testing

/// Concurrent plugins, and killed plugins.
@Suite(.needsRoot) struct ConcurrencyTests {
  @Test(arguments: OverlayNetwork.Kind.allCases)
  func `50 concurrent first ADDs on a host create one network`(kind: OverlayNetwork.Kind) throws {
    try Cluster.use(hosts: 2, containers: 50) { cluster in
      let network = OverlayNetwork(cluster: cluster, kind: kind, number: 1)
      let lab = cluster.hosts[0]
      let attachments = try atOnce(50, workers: 50) { try network.attach($0 + 1) }.map { try $0.get() }
      #expect(Set(attachments.flatMap(\.addresses)).count == 100)
      #expect(try lab.linkNames(in: lab.host).count == 53)
      let far = try network.attach(on: 1)
      try cluster.expect(([attachments[0], attachments[24], attachments[49], far]).mutual)
      let checks = atOnce(50, workers: 8) { try attachments[$0].check().complaint }
      for check in checks { #expect(try check.get() == "") }
      for outcome in atOnce(50, workers: 50, { try attachments[$0].delete() }) { try outcome.get() }
      #expect(try lab.linkNames(in: lab.host) == ["eth0", network.bridge, network.vxlan])
      #expect(try lab.leases(of: network.name) == [])
    }
  }

  @Test func `a container joins and leaves three networks concurrently`() throws {
    try Cluster.use(hosts: 2, containers: 1) { cluster in
      let networks = OverlayNetwork.Kind.allCases.enumerated().map { index, kind in
        // Only one network adds default routes: a container has one for each family.
        OverlayNetwork(
          cluster: cluster, kind: kind, number: index + 1, underlay: index == 1 ? .v6 : .v4,
          keys: index == 0 ? .object([:]) : .object(["isDefaultGateway": .bool(false)]))
      }
      for round in 1...4 {
        let added = try atOnce(6, workers: 6) { number in
          try networks[number / 2].attach(1, on: number % 2, as: "eth\(number / 2)")
        }.map { try $0.get() }
        for network in networks { try cluster.expect(added.filter { $0.network.number == network.number }.mutual) }
        for attachment in added { #expect(try attachment.check().complaint == "", "round \(round)") }
        for outcome in atOnce(6, workers: 6, { try added[$0].delete() }) { try outcome.get() }
        for lab in cluster.hosts {
          #expect(try lab.linkNames(in: lab.container(1)) == [])
          #expect(try lab.linkNames(in: lab.host).count == 7)
        }
      }
    }
  }

  /// A network's kind and a seed for each test; 200 rounds altogether.
  static let killings = OverlayNetwork.Kind.allCases.flatMap { kind in (1...2).map { (kind, UInt64($0)) } }

  @Test(arguments: killings)
  func `DEL and GC remove what a killed ADD or DEL left`(kind: OverlayNetwork.Kind, seed: UInt64) throws {
    try Cluster.use(hosts: 2, containers: 1) { cluster in
      let network = OverlayNetwork(
        cluster: cluster, kind: kind, number: 1, keys: try JSONValue(json: #"{"ipMasq": true}"#))
      let lab = cluster.hosts[0], config = try network.config(on: 0)
      try lab.shell("ip link set lo up", in: lab.container(1))
      try lab.shell("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1", in: lab.host)
      let untouched = try Snapshot(of: lab)
      var random = Xorshift(seed: seed), killed = 0
      for round in 0..<34 {
        // GC, because the first ADD on a host makes more changes than later ones.
        if round.isMultiple(of: 4) { try network.collectGarbage() }
        let isADD = round.isMultiple(of: 2)
        if !isADD { try network.add().requireSuccess() }
        let outcome = try lab.run(
          lab.call(isADD ? "ADD" : "DEL", config, on: 1, plugin: "overlay-vxlan"),
          killedAfter: Int.random(in: 1...(isADD ? 25_000 : 12_000), using: &random))
        if outcome.status == 137 { killed += 1 }
        let cleaning = try lab.delete(config, plugin: "overlay-vxlan")
        #expect(cleaning.isSuccess, "\(cleaning)")
        #expect(try lab.linkNames(in: lab.container(1)) == [])
        #expect(try lab.leases(of: network.name) == [])
      }
      // If no plugin was killed, the delays do not fit the plugins and the test shows nothing.
      #expect(killed > 0)
      let attachment = try network.attach(), far = try network.attach(on: 1)
      try cluster.expect([attachment, far].mutual)
      try attachment.delete()
      try network.collectGarbage()
      try lab.expectUnchanged(since: untouched)
      let left = try network.remains(on: 0)
      #expect(left == "")
    }
  }

  @Test(arguments: OverlayNetwork.Kind.allCases, [#""$@" > /dev/full"#, #""$@" >&-"#])
  func `ADD is rolled back if its result cannot be written`(kind: OverlayNetwork.Kind, script: String) throws {
    try Cluster.use(hosts: 2, containers: 2) { cluster in
      let network = OverlayNetwork(cluster: cluster, kind: kind, number: 1)
      let lab = cluster.hosts[0]
      for number in 1...2 { try lab.shell("ip link set lo up", in: lab.container(number)) }
      for round in 1...2 {
        let before = try Snapshot(of: lab)
        let call = lab.call("ADD", try network.config(on: 0), on: 2, plugin: "overlay-vxlan")
        let outcome = try lab.run(
          "/bin/sh", ["-c", script, "sh", "\(call.directory)/\(call.plugin)"], in: lab.host,
          environment: lab.environment(call) + ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], input: call.config)
        #expect(outcome.status == 1 && outcome.output == "")
        #expect(try JSONValue(json: outcome.errors).text("code") == "5")
        try lab.expectUnchanged(since: before)
        // Later rounds run beside another container.
        if round == 1 { _ = try network.attach(1) }
      }
    }
  }
}
