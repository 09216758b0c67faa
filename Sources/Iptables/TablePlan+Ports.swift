import CNI
import NetTypes
import PacketFilter

extension TablePlan {
  mutating func add(_ port: PublishedPort) throws(KernelError) {
    let table = TableName(.nat, port.family)
    let base = try matches(port)
    need(
      Layout.ports, from: ["PREROUTING", "OUTPUT"], Layout.publishedComment, .last, table, localOnly: true)
    var chain = Layout.ports
    if let name = port.chain {
      try needPortChain(name, for: port, table)
      chain = name
    }
    var rule = base
    if let device = port.excludedDevices.first, port.excludedDevices.count == 1, base.inDevice == nil {
      rule.inDevice = Test(Device(device), isNegated: true)
    } else if !port.excludedDevices.isEmpty {
      chain = needSubchain(of: chain, for: port, base, table)
    }
    try addReturnPath(of: port, rule, chain, table)
    rule.target = .destination(port.target, port: port.targetPort)
    need(.owned(rule, in: chain, .last), table)
  }

  /// A rule with the port's matches and the target RETURN.
  private func matches(_ port: PublishedPort) throws(KernelError) -> TableRule {
    var rule = TableRule(port.family, .port(port.transport, port.hostPort), target: .returnToCaller)
    rule.transport = port.transport
    rule.destination = port.hostIP.map { Test(IPPrefix(host: $0)) }
    do throws(ConditionError) {
      var words = ConditionParser(port.conditions)
      try words.add(to: &rule)
    } catch {
      throw KernelError("publish \(port)", errno: .EINVAL, reason: "condition \(error)")
    }
    rule.matches.append(ownerMatch)
    return rule
  }

  private mutating func needPortChain(_ name: String, for port: PublishedPort, _ table: TableName) throws(KernelError) {
    guard Layout.isChainName(name), !Layout.isOurs(name) else {
      throw KernelError("publish \(port)", errno: .EINVAL, reason: "chain \(name): want \(Layout.wantedChainName)")
    }
    need(
      .foreign(.init(name, from: Layout.ports, .last, Layout.publishedComment, table.family)), table)
  }

  /// Adds a chain for this port alone; packets that arrive on an excluded link return from it.
  private mutating func needSubchain(
    of chain: String, for port: PublishedPort, _ base: TableRule, _ table: TableName
  ) -> String {
    let conditions = port.conditions.map { $0.debugDescription }.joined(separator: ", ")
    let subchain = Layout.portPrefix + AttachmentID.shortHash("\(tag) \(role.rawValue) \(port) [\(conditions)]")
    need(.chain(subchain), table)
    var jump = base
    jump.target = .jump(subchain)
    need(.owned(jump, in: chain, .last), table)
    for device in port.excludedDevices {
      var rule = TableRule(port.family, ownerMatch, target: .returnToCaller)
      rule.inDevice = Test(Device(device))
      need(.owned(rule, in: subchain, .last), table)
    }
    return subchain
  }

  private mutating func addReturnPath(
    of port: PublishedPort, _ base: TableRule, _ chain: String, _ table: TableName
  ) throws(KernelError) {
    guard let path = port.masquerade else { return }
    if port.family == .v4 { needLoopbackGuard() }
    let sources = path.everything ? [nil] : [path.subnet.network, .loopback(port.family)]
    guard let target = try needMarking(path.marking, for: port, table) else {
      for source in sources { masquerade(source, to: port.target, path, table) }
      return
    }
    for source in sources {
      var rule = base
      rule.target = target
      rule.limit(to: source)
      need(.owned(rule, in: chain, .last), table)
    }
  }

  /// Drops packets to 127.0.0.0/8 from other links, except replies: with `route_localnet` the host would accept them.
  private mutating func needLoopbackGuard() {
    guard let loopback = InterfaceName("lo") else { return }
    let drop = TableRule(.v4, target: .drop)
    need(.filled(PlanItem.FilledChain(chain: Layout.loopback, rules: [drop])), .loopbackGuard)
    var jump = TableRule(
      .v4, .neitherRepliesNorPublished, .comment("cni: loopback guard"), target: .jump(Layout.loopback))
    jump.destination = Test(.loopback(.v4))
    jump.inDevice = Test(Device(loopback), isNegated: true)
    need(.shared(jump, in: "INPUT", .first), .loopbackGuard)
  }

  private mutating func masquerade(
    _ source: IPPrefix?, to target: IPAddress, _ path: ReturnPath, _ table: TableName
  ) {
    if let source, path.subnet.contains(target) {
      masqueradePublished(from: source, to: path.subnet.network, table)
    } else {
      masqueradeTranslated(from: source, to: target, table)
    }
  }

  /// The target that sets the mark for masquerading; `nil` if no mark is used.
  private mutating func needMarking(
    _ marking: ReturnPath.Marking, for port: PublishedPort, _ table: TableName
  ) throws(KernelError) -> Target? {
    switch marking {
    case .none: return nil
    case .bit(let number):
      guard (0...31).contains(number) else {
        throw KernelError("publish \(port)", errno: .EINVAL, reason: "mark bit \(number): want 0 to 31")
      }
      let bit = Masked(1 << UInt32(number), mask: 1 << UInt32(number))
      needOutbound(table)
      let marked = TableRule(
        port.family, .mark(Test(bit)), .comment(Layout.markedComment), target: .masquerade(isRandom: false))
      need(.shared(marked, in: Layout.outbound, .first), table)
      return .mark(bit)
    case .chain(let name):
      guard Layout.isChainName(name) else {
        throw KernelError("publish \(port)", errno: .EINVAL, reason: "chain \(name): want \(Layout.wantedChainName)")
      }
      need(.existing(name), table)
      return .jump(name)
    }
  }
}

extension TableRule {
  /// Limits the rule to packets from this prefix.
  fileprivate mutating func limit(to prefix: IPPrefix?) {
    guard let prefix else { return }
    if source == nil {
      source = Test(prefix)
    } else {
      // A rule can have only one `-s`, and the conditions already contain it.
      matches.insert(.ranges(source: Test(prefix.first...prefix.last), destination: nil), at: 1)
    }
  }
}

extension Layout {
  static let wantedChainName =
    "a name of 1 to \(maximumChainNameLength) bytes without white space, not a built-in chain"

  /// Whether the `iptables` command accepts a chain of that name.
  static func isChainName(_ name: String) -> Bool {
    (1...maximumChainNameLength).contains(name.utf8.count) && !reserved.contains(name)
      && !name.hasPrefix("-") && !name.hasPrefix("!") && name.utf8.allSatisfy { (0x21...0x7E).contains($0) }
  }
}

extension PlanItem.ForeignChain {
  init(_ chain: String, from: String, _ position: PlanItem.Position, _ comment: String, _ family: IPFamily) {
    self.chain = chain
    self.from = from
    self.position = position
    jumpToCreated = TableRule(family, .comment(comment), target: .jump(chain))
    jumpToExisting = TableRule(family, .comment(comment + Layout.existingSuffix), target: .jump(chain))
  }
}
