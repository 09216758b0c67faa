import CNI
import LabSupport
import Testing

// Group: end-to-end

/// The place of a link's other end.
enum OtherEnd: String, CaseIterable, Sendable, CustomTestStringConvertible {
  case host, peer

  /// The configuration of container 1's link.
  func config(_ lab: Lab) throws -> JSONValue {
    switch self {
    case .host: try lab.ptp(#"{"ipMasq": true}"#)
    case .peer: try lab.ptp(#"{"peer": "\#(lab.container(2))", "peerIfName": "eth1"}"#)
    }
  }

  var testDescription: String { rawValue }
}

/// DEL and GC with missing namespaces, keys or links.
@Suite(.needsRoot)
struct DeleteTests {
  /// Attaches and detaches once, to make the changes that always remain after the first ADD.
  private func prepare(_ lab: Lab, _ end: OtherEnd) throws -> (config: JSONValue, before: Snapshot, rules: [String]) {
    try lab.shell("ip link set lo up", in: lab.container(1))
    let config = try end.config(lab)
    _ = try lab.attach(config)
    try lab.detach(config)
    return (config, try Snapshot(of: lab), try lab.rules())
  }

  private func expectUnchanged(_ lab: Lab, since before: Snapshot, _ rules: [String]) throws {
    try lab.expectUnchanged(since: before)
    #expect(try lab.rules() == rules)
  }

  @Test(arguments: OtherEnd.allCases, [true, false])
  func `DEL removes all with or without prevResult and can be repeated`(end: OtherEnd, hasPrevious: Bool) throws {
    try Lab.use(containers: 2) { plain in
      let lab = try plain.withOwnState()
      let (config, before, rules) = try prepare(lab, end)
      let result = try lab.attach(config)
      for _ in 1...2 { try lab.detach(hasPrevious ? config.with("prevResult", result) : config) }
      try expectUnchanged(lab, since: before, rules)
    }
  }

  @Test(arguments: OtherEnd.allCases, ["", "/run/netns/not-there-any-more"])
  func `DEL without the container's namespace removes the other end`(end: OtherEnd, path: String) throws {
    try Lab.use(containers: 2) { plain in
      let lab = try plain.withOwnState()
      let (config, before, rules) = try prepare(lab, end)
      _ = try lab.attach(config)
      var call = lab.call("DEL", config, on: 1, plugin: "ptp")
      call.variables["CNI_NETNS"] = path
      for _ in 1...2 { try lab.run(call).requireSuccess() }
      try expectUnchanged(lab, since: before, rules)
    }
  }

  @Test(arguments: [#""mtu": -1"#, #""peer": "a/b""#, #""ipMasq": "no""#])
  func `DEL works with an invalid configuration`(keys: String) throws {
    try Lab.use(containers: 2) { plain in
      let lab = try plain.withOwnState()
      let (config, before, rules) = try prepare(lab, .host)
      _ = try lab.attach(config)
      try lab.detach(config.merging(JSONValue(json: "{\(keys)}")))
      try expectUnchanged(lab, since: before, rules)
    }
  }

  @Test(arguments: OtherEnd.allCases)
  func `DEL releases the lease and removes the rules after the namespace is gone`(end: OtherEnd) throws {
    try Lab.use(containers: 2) { plain in
      let lab = try plain.withOwnState()
      let config = try end.config(lab)
      _ = try lab.attach(config)
      try lab.shell("ip netns del \(lab.container(1))")
      try lab.detach(config)
      #expect(try lab.leases(of: "\(lab.name)-p") == [])
      #expect(try lab.rules().filter { $0.contains(lab.name) || $0.hasPrefix("-A") } == [])
      #expect(try lab.linkNames(in: lab.host) == [])
      #expect(try lab.linkNames(in: lab.container(2)) == [])
    }
  }

  /// A namespace exists without its name as long as a process is in it.
  @Test(arguments: [true, false], [true, false])
  func `DEL works if the peer's namespace is gone or has lost its name`(isAlive: Bool, hasNamespace: Bool) throws {
    try Lab.use(containers: 2) { lab in
      let config = try OtherEnd.peer.config(lab)
      _ = try lab.attach(config)
      if isAlive {
        try lab.shell(
          "nsenter --net=\(lab.path(lab.container(2))) sleep 50 < /dev/null > /dev/null 2>&1 & echo $! > \(lab.directory)/pid"
        )
        // Waits until the process is in the namespace.
        try lab.shell(
          "until [ $(readlink /proc/$(cat \(lab.directory)/pid)/ns/net) != $(readlink /proc/self/ns/net) ]; do :; done")
      }
      try lab.shell("ip netns del \(lab.container(2))")
      if !hasNamespace { try lab.shell("ip netns del \(lab.container(1))") }
      try lab.detach(config)
      if hasNamespace { #expect(try lab.linkNames(in: lab.container(1)) == []) }
      #expect(try lab.leases(of: "\(lab.name)-p") == [])
      #expect(try lab.linkNames(in: lab.host) == [])
      if isAlive { try lab.shell("kill $(cat \(lab.directory)/pid)") }
    }
  }

  @Test(arguments: OtherEnd.allCases)
  func `GC removes invalid attachments on the host and in the peer`(end: OtherEnd) throws {
    try Lab.use(containers: 4) { plain in
      let lab = try plain.withOwnState()
      // GC must keep the link of another network in the peer.
      let other = try lab.pair(lab.container(2), #"{"name": "\#(lab.name)-other"}"#)
      _ = try lab.attach(other, 4)
      let config = try end.config(lab).without("peerIfName")
      let results = try [1, 3].map { try lab.attach(config, $0) }
      let place = end == .host ? lab.host : lab.container(2)
      let all = try lab.linkNames(in: place)
      let valid = JSONValue.object(["containerID": .string("\(lab.name)-c3"), "ifname": "eth0"])
      let kept = config.with("cni.dev/valid-attachments", .array([valid]))
      try lab.ask("GC", kept, plugin: "ptp").requireSuccess()
      let gone = try lab.hostEnd(results[0])
      #expect(try lab.linkNames(in: place) == all.filter { $0 != gone })
      #expect(try lab.linkNames(in: lab.container(1)) == [])
      #expect(try lab.complaint(config, results[1], 3) == "")
      let none = config.with("cni.dev/valid-attachments", .array([]))
      try lab.ask("GC", none, plugin: "ptp").requireSuccess()
      #expect(try lab.linkNames(in: lab.container(3)) == [])
      #expect(try lab.linkNames(in: lab.container(4)) == ["eth0"])
      #expect(try lab.leases(of: "\(lab.name)-p") == [])
    }
  }

  @Test(arguments: OtherEnd.allCases)
  func `a second ADD is refused and the first attachment stays`(end: OtherEnd) throws {
    try Lab.use(containers: 2) { plain in
      let lab = try plain.withOwnState()
      let config = try end.config(lab)
      let result = try lab.attach(config)
      let before = try Snapshot(of: lab), rules = try lab.rules()
      #expect(try lab.add(config, plugin: "ptp").code == 104)
      try expectUnchanged(lab, since: before, rules)
      #expect(try lab.complaint(config, result) == "")
    }
  }

  @Test(arguments: OtherEnd.allCases)
  func `ADD is rolled back if a route's gateway is unreachable`(end: OtherEnd) throws {
    try Lab.use(containers: 2) { plain in
      let lab = try plain.withOwnState()
      let (config, before, rules) = try prepare(lab, end)
      // The other end is the only neighbour, so this gateway is unreachable.
      let routes = try JSONValue(json: #"[{"dst": "10.90.0.0/16", "gw": "10.78.0.77"}]"#)
      let ipam = try #require(config.at("ipam")).with("routes", routes)
      let outcome = try lab.add(config.with("ipam", ipam), plugin: "ptp")
      #expect(outcome.code == 7)
      #expect(outcome.complaint.contains("route 10.90.0.0/16: gw 10.78.0.77"), "\(outcome)")
      try expectUnchanged(lab, since: before, rules)
    }
  }

  @Test(arguments: OtherEnd.allCases, 0..<4)
  func `DEL removes what a killed ADD or DEL left`(end: OtherEnd, seed: Int) throws {
    try Lab.use(containers: 2) { plain in
      let lab = try plain.withOwnState()
      let (config, before, rules) = try prepare(lab, end)
      try lab.killInTurn(
        seed: UInt64(seed) + 1, rounds: 20, delay: { _ in 1...12000 }, { lab.call($0, config, on: 1, plugin: "ptp") },
        add: { _ = try lab.attach(config) },
        clean: { _ in
          try lab.detach(config)
          try expectUnchanged(lab, since: before, rules)
        })
    }
  }
}
