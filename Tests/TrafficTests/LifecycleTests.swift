import BaseSupport
import CNI
import LabSupport
import Testing

/// Many containers, and plugins that are killed at any time.
@Suite(.needsRoot)
struct LifecycleTests {
  /// The sequence of ADD, DEL and kills for one container.
  private enum Life: CaseIterable {
    case added, killedWhileAdded, killedWhileDeleted, killedWhileAddedAndForgotten, killedWhileDeletedAndForgotten
  }

  @Test(arguments: Backend.allCases)
  func `200 containers with killed ADDs and DELs leave nothing and do not affect each other`(backend: Backend) throws {
    try World.use(backend, containers: 200) { world in
      try world.addForeignRules()
      let network = try world.network(1, #"{"isolation": "network"}"#, firewall: "{}")
      try network.delete(try network.add(1, ports: port(1)))
      let before = try world.traces()
      let lives = atOnce(200) { index in try live(Life.allCases[index % 5], index + 1, on: network) }
      for life in lives { #expect(throws: Never.self) { try life.get() } }
      // If few plugins were killed, the delays do not fit the plugins and the test shows nothing.
      #expect(lives.count { (try? $0.get()) == true } > 20)
      let staying = stride(from: 1, through: 200, by: 5).map(\.self)
      try world.expect(
        staying.prefix(10).flatMap { number in
          World.host.map { Expectation(.outside, to: $0, 10_000 + number, by: .container(number)) }
        })
      try network.collectGarbage(keeping: staying)
      try world.expect(
        [Expectation(.outside, to: World.host[0], 10_001, by: .container(1))]
          + [4, 5].map { Expectation(.outside, to: World.host[0], 10_000 + $0, by: nil) })
      let ends = atOnce(staying.count) { try network.delete(network.attachment(staying[$0]), knowing: false) }
      for end in ends { #expect(throws: Never.self) { try end.get() } }
      let left = try world.traces().symmetricDifference(before)
      #expect(left == [])
    }
  }

  private func port(_ number: Int) -> [String] {
    [#"{"hostPort": \#(10_000 + number), "containerPort": 80, "protocol": "tcp"}"#]
  }

  /// - Returns: whether a plugin was killed.
  private func live(_ life: Life, _ number: Int, on network: Network) throws -> Bool {
    var random = Xorshift(seed: UInt64(number))
    var attachment = try network.attachment(number, ports: port(number))
    func kill(_ command: String, _ plugins: [JSONValue]) throws -> Bool {
      let last = Int.random(in: 0..<plugins.count, using: &random)
      for plugin in plugins[..<last] {
        let outcome = try network.world.lab.run(network.call(command, plugin, attachment))
        attachment.result = command == "ADD" ? try outcome.result() : attachment.result
      }
      let call = network.call(command, plugins[last], attachment)
      return try network.world.lab.run(call, killedAfter: Int.random(in: 1...20_000, using: &random)).status == 137
    }
    switch life {
    case .added:
      _ = try network.add(number, ports: port(number))
      return false
    case .killedWhileAdded:
      let wasKilled = try kill("ADD", network.plugins)
      try network.delete(attachment, knowing: false)
      return wasKilled
    case .killedWhileDeleted:
      attachment = try network.add(number, ports: port(number))
      let wasKilled = try kill("DEL", network.plugins.reversed())
      try network.delete(attachment)
      return wasKilled
    case .killedWhileAddedAndForgotten: return try kill("ADD", network.plugins)
    case .killedWhileDeletedAndForgotten:
      attachment = try network.add(number, ports: port(number))
      return try kill("DEL", network.plugins.reversed())
    }
  }
}

extension World {
  /// Everything that plugins create on the host: rules, links, addresses, leases, files.
  fileprivate func traces() throws -> Set<String> {
    let files = try shell("find /run/cni /run/swift-cni /var/lib/cni \(lab.directory) -type f")
    let links = try lab.linkNames(in: lab.host).map { "link \($0)" }
    let names = files.split(separator: "\n").map(String.init)
    // Without counters: a kill between the two system calls that write a legacy table resets its counters, as a kill of
    // the iptables command does. Both backends write passages to a legacy FORWARD.
    return Set(try ruleset() + links + names)
  }
}
