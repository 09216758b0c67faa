import CNI
import LabSupport
import Testing

/// Texts that would be rules, commands or the end of one if anybody put them into a ruleset as they are.
@Suite(.needsRoot)
struct InjectionTests {
  /// Where a text goes.
  enum Door: String, CaseIterable {
    case network, container, interface, bridge, adminChain, markChain, mesosChain, condition, transport, hostIP
  }

  static let texts = [
    #"e";flush ruleset"#, #"e"}};{{"#, "e';drop", "e;evil", "e\nevil", "e#\"evil", "e\\", "e`evil`", "$(evil)", "e{",
    #"e" drop # "#, "@evil", "*evil", "e+",
  ]

  static let conditions = [
    ["ip saddr 203.0.113.1 drop; } } flush ruleset; table ip evil { chain evil {"],
    ["ip", "saddr", "203.0.113.1", ";", "flush", "ruleset"], ["ip", "saddr", "203.0.113.1\n", "flush ruleset"],
    ["ip", "saddr", "203.0.113.1", "drop"], ["jump", "evil"], ["comment", #""evil"#], [#"include "/etc/hosts""#],
    ["-s", "203.0.113.1", "-j", "DROP"], ["-s", "203.0.113.1\n-A INPUT -j DROP"], ["-s", "203.0.113.1", "-g", "evil"],
    ["-m", "comment", "--comment", "x\"\nCOMMIT\n*filter\n:evil -\n-A INPUT -j DROP"], ["!", ";"], ["-N", "evil"],
  ]

  @Test(arguments: Backend.allCases, Door.allCases)
  func `a text with quotes, semicolons or newlines is refused, or is only a name`(backend: Backend, door: Door) throws {
    try World.use(backend, containers: 1) { world in
      try world.addForeignRules()
      let before = try world.ruleset(counters: true)
      let listed = door == .condition ? Self.conditions : Self.texts.map { [$0] }
      for words in listed {
        let found = try attempt(words, at: door, in: world, before)
        #expect(found == [], "\(words)")
      }
    }
  }

  /// ADD, then DEL, with these words.
  ///
  /// - Returns: what is wrong with the ruleset in between and afterwards.
  private func attempt(_ words: [String], at door: Door, in world: World, _ before: [String]) throws -> [String] {
    var network = try world.network(1, #"{"isolation": "network"}"#, firewall: "{}")
    let text = JSONValue.string(words[0])
    var port: JSONValue = .object(["hostPort": .integer(8080), "containerPort": .integer(80), "protocol": "tcp"])
    var variables: [String: String] = [:]
    switch door {
    case .network: network.plugins = network.plugins.map { $0.with("name", text) }
    case .container: variables["CNI_CONTAINERID"] = words[0]
    case .interface: variables["CNI_IFNAME"] = words[0]
    case .bridge: network.plugins[0] = network.plugins[0].with("bridge", text)
    case .adminChain: network.plugins[2] = network.plugins[2].with("iptablesAdminChainName", text)
    case .markChain: network.plugins[1] = network.plugins[1].with("externalSetMarkChain", text)
    case .mesosChain: network.plugins[1] = network.plugins[1].with("chain", text)
    case .condition: network.plugins[1] = network.plugins[1].with("conditionsV4", .array(words.map { .string($0) }))
    case .transport: port = port.with("protocol", text)
    case .hostIP: port = port.with("hostIP", text)
    }
    var attachment = try network.attachment(1)
    attachment.ports = [port]
    var wrong: [String] = []
    for plugin in network.plugins {
      var call = network.call("ADD", plugin, attachment)
      call.variables.merge(variables) { _, new in new }
      if door == .network { call.config = call.config.replacing("\"\(network.name)\"", with: text.line) }
      let outcome = try world.lab.run(call)
      guard outcome.isSuccess else {
        if outcome.code == nil { wrong.append("ADD: \(outcome)") }
        break
      }
      attachment.result = try outcome.result()
    }
    wrong += try harm(in: world, before)
    for plugin in network.plugins.reversed() {
      var call = network.call("DEL", plugin, attachment)
      call.variables.merge(variables) { _, new in new }
      if door == .network { call.config = call.config.replacing("\"\(network.name)\"", with: text.line) }
      _ = try world.lab.run(call)  // what was refused in ADD may be refused in DEL
    }
    return wrong + Set(try world.ruleset(counters: true)).symmetricDifference(before).map { "left: \($0)" }
  }

  /// What somebody else's rules lost, and rules that a name may not make.
  private func harm(in world: World, _ before: [String]) throws -> [String] {
    let now = try world.ruleset(counters: true)
    let lost = Set(before).subtracting(now).map { "lost: \($0)" }
    let evil = now.filter { line in
      ["table", "chain", "set", "map"].contains { line.trimmingPrefix(while: \.isWhitespace).hasPrefix("\($0) evil") }
        || [":evil", "-A evil", "-A INPUT -j"].contains { line.contains($0) }
        || [" drop", "-j DROP"].contains { line.contains($0) && line.contains("203.0.113.1") }
    }
    return lost + Set(evil).subtracting(before).map { "made: \($0)" }
  }
}
