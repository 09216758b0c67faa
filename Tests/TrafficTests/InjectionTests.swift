import CNI
import LabSupport
import Testing

/// Texts that would change the ruleset if they were inserted without quoting.
@Suite(.needsRoot)
struct InjectionTests {
  /// The setting that contains the text.
  enum InjectionPoint: String, CaseIterable {
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

  /// A valid value for this setting, to show that errors concern the other texts; `nil`: the backend has no such key.
  private func good(_ point: InjectionPoint, _ backend: Backend) -> [String]? {
    switch point {
    case .network, .container: ["good"]
    case .interface: ["eth7"]
    case .bridge: ["br7"]
    case .adminChain: backend == .iptables ? ["GOOD"] : nil
    case .markChain: backend == .iptables ? ["THEIRS"] : nil
    case .mesosChain: ["GOOD"]
    case .condition: backend == .iptables ? ["-s", "203.0.113.1"] : ["ip", "saddr", "203.0.113.1"]
    case .transport: ["udp"]
    case .hostIP: ["192.0.2.3"]
    }
  }

  @Test(arguments: Backend.allCases, InjectionPoint.allCases)
  func `a value with quotes, semicolons or newlines is refused or is a name`(backend: Backend, point: InjectionPoint)
    throws
  {
    try World.use(backend, containers: 1) { world in
      try world.addForeignRules()
      let before = try world.ruleset(counters: true)
      let listed = point == .condition ? Self.conditions : Self.texts.map { [$0] }
      for values in listed {
        let found = try attempt(values, at: point, in: world, before)
        #expect(found.wrong == [], "\(values)")
      }
      if let values = good(point, backend) {
        let found = try attempt(values, at: point, in: world, before)
        #expect(found.isAdded)
        #expect(found.wrong == [])
      }
    }
  }

  /// Runs ADD and DEL with these texts; returns whether ADD succeeded, and errors in the ruleset after each.
  private func attempt(
    _ values: [String], at point: InjectionPoint, in world: World, _ before: [String]
  ) throws -> (isAdded: Bool, wrong: [String]) {
    let text = JSONValue.string(values[0])
    let (network, attachment) = try chain(values, at: point, in: world)
    func outcome(_ command: String, _ plugin: JSONValue, _ attachment: Network.Attachment) throws -> Outcome {
      var call = network.call(command, plugin, attachment)
      if point == .container { call.variables["CNI_CONTAINERID"] = values[0] }
      if point == .network { call.config = call.config.replacing("\"\(network.name)\"", with: text.line) }
      return try world.lab.run(call)
    }
    var wrong: [String] = [], added = attachment
    for plugin in network.plugins {
      let outcome = try outcome("ADD", plugin, added)
      guard outcome.isSuccess else {
        if outcome.code == nil { wrong.append("ADD: \(outcome)") }
        added.result = .null
        break
      }
      added.result = try outcome.result()
    }
    wrong += try harm(in: world, before)
    // DEL may refuse a text that ADD refused.
    for plugin in network.plugins.reversed() { _ = try outcome("DEL", plugin, added) }
    wrong += Set(try world.ruleset(counters: true)).symmetricDifference(before).map { "left: \($0)" }
    return (added.result != .null, wrong)
  }

  /// A chain of plugins with these texts in this setting, and the attachment for ADD.
  private func chain(_ values: [String], at point: InjectionPoint, in world: World) throws -> (
    Network, Network.Attachment
  ) {
    var network = try world.network(1, #"{"isolation": "network"}"#, firewall: "{}")
    let text = JSONValue.string(values[0])
    var port: JSONValue = .object(["hostPort": .integer(8080), "containerPort": .integer(80), "protocol": "tcp"])
    switch point {
    case .network, .container, .interface: break
    case .bridge: network.plugins[0] = network.plugins[0].with("bridge", text)
    case .adminChain: network.plugins[2] = network.plugins[2].with("iptablesAdminChainName", text)
    case .markChain: network.plugins[1] = network.plugins[1].with("externalSetMarkChain", text)
    case .mesosChain: network.plugins[1] = network.plugins[1].with("chain", text)
    case .condition: network.plugins[1] = network.plugins[1].with("conditionsV4", .array(values.map { .string($0) }))
    case .transport: port = port.with("protocol", text)
    case .hostIP: port = port.with("hostIP", text)
    }
    var attachment = try network.attachment(1, as: point == .interface ? values[0] : "eth0")
    attachment.ports = [port]
    return (network, attachment)
  }

  /// Lost rules of other programs, and rules that the text has injected.
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
