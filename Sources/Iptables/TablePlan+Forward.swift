import NetTypes
import PacketFilter

extension TablePlan {
  mutating func add(_ admission: Admission) throws(KernelError) {
    if let network = admission.network {
      return try add(
        Passage(network.subnet, .outbound, link: network.link, adminChain: admission.adminChain))
    }
    let family = admission.address.family
    let table = TableName(.filter, family)
    let host = Test(IPPrefix(host: admission.address))
    need(Layout.forward, from: ["FORWARD"], "CNI firewall plugin rules", .after(Layout.isolation), table)
    var outbound = TableRule(family, ownerMatch, target: .accept)
    outbound.source = host
    if let name = admission.adminChain {
      guard Layout.isChainName(name), !Layout.isOurs(name) else {
        throw KernelError(
          "admit \(admission.address)", errno: .EINVAL, reason: "admin chain \(name): want \(Layout.wantedChainName)")
      }
      need(.foreign(.init(name, from: Layout.forward, .first, Layout.adminComment, family)), table)
      outbound.matches = [.comment("\(Layout.ownerComment(tag, role)) \(name)")]
    }
    var inbound = TableRule(family, .replies, ownerMatch, target: .accept)
    inbound.destination = host
    need(.owned(inbound, in: Layout.forward, .last), table)
    need(.owned(outbound, in: Layout.forward, .last), table)
  }

  mutating func add(_ isolation: Isolation, _ family: IPFamily) {
    let table = TableName(.filter, family)
    let chain = Layout.isolationChain(isolation.bridge, role)
    need(Layout.isolation, from: ["FORWARD"], "cni: isolation", .first, table)
    for link in isolation.links { needIsolated(link, table) }
    if isolation.separatesContainers { needLinks(isolation.bridge, table) }
    let subject = "isolation of bridge \(isolation.bridge)"
    need(.filled(.init(chain: chain, rules: isolation.rules(family), subject: subject)), table)
    for link in isolation.links.map(Device.init(_:)) {
      var incoming = TableRule(family, target: .jump(chain))
      incoming.outDevice = Test(link)
      var outgoing = incoming
      outgoing.inDevice = Test(link)
      outgoing.outDevice = Test(link, isNegated: true)
      for jump in [incoming, outgoing] { need(.shared(jump, in: Layout.isolation, .last), table) }
    }
    addUser(of: chain, table)
  }

  /// Drops packets from isolated networks to this link: no isolated network may reach another one.
  private mutating func needIsolated(_ link: InterfaceName, _ table: TableName) {
    need(.chain(Layout.isolated), table)
    var drop = TableRule(table.family, target: .drop)
    drop.outDevice = Test(Device(link))
    need(.shared(drop, in: Layout.isolated, .last), table)
  }

  private mutating func needLinks(_ bridge: InterfaceName, _ table: TableName) {
    let chain = Layout.linksChain(bridge)
    need(.chain(chain), table)
    need(.shared(TableRule(table.family, .repliesOrPublished, target: .returnToCaller), in: chain, .first), table)
    need(.shared(TableRule(table.family, target: .drop), in: chain, .last), table)
  }

  mutating func add(_ link: AllowedConnection) {
    let table = TableName(.filter, link.to.family)
    let chain = Layout.linksChain(link.bridge)
    need(.chain(chain), table)
    var rule = TableRule(table.family, .port(link.transport, link.port), ownerMatch, target: .returnToCaller)
    rule.transport = link.transport
    rule.source = Test(IPPrefix(host: link.from))
    rule.destination = Test(IPPrefix(host: link.to))
    need(.owned(rule, in: chain, .first), table)
  }
}

extension Isolation {
  /// The rules for packets from the network's links or to them; RETURN leaves a packet to the other rules.
  fileprivate func rules(_ family: IPFamily) -> [TableRule] {
    var rules: [TableRule] = []
    func add(_ matches: Match..., to: InterfaceName? = nil, target: Target) {
      var rule = TableRule.forwarded(family, to: to, target: target)
      rule.matches = matches
      rules.append(rule)
    }
    rules += links.flatMap { from in links.flatMap { acceptRules(.forwarded(family, from: from, to: $0)) } }
    if reach != .closed { add(.repliesOrPublished, target: .returnToCaller) }
    if reach != .outside, !directPrefixes.isEmpty {
      for link in links { add(.groups(source: Test(.ours), destination: nil), to: link, target: .drop) }
    }
    if reach != .outside || separatesContainers { rules += rulesFromOtherHosts(family) }
    if reach != .closed {
      for link in links { add(to: link, target: reach == .outside ? .returnToCaller : .drop) }
    }
    if reach == .network || (reach == .closed && !directPrefixes.isEmpty) {
      add(.groups(source: nil, destination: Test(.ours)), target: .drop)
    }
    if reach != .closed || !directPrefixes.isEmpty { add(target: .jump(Layout.isolated)) }
    if reach == .closed || separatesContainers { rules += rulesToOtherHosts(family) }
    if reach == .closed { add(target: .drop) }
    return rules
  }

  /// Rules for packets from other hosts that do not use the partner link.
  private func rulesFromOtherHosts(_ family: IPFamily) -> [TableRule] {
    directPrefixes.map { $0.network }.filter { $0.family == family }.flatMap { prefix in
      links.flatMap { link in
        var rule = TableRule.forwarded(family, to: link)
        rule.source = Test(prefix)
        return acceptRules(rule)
      }
    }
  }

  /// Rules for packets to other hosts that do not use the partner link.
  private func rulesToOtherHosts(_ family: IPFamily) -> [TableRule] {
    directPrefixes.map { $0.network }.filter { $0.family == family }.flatMap { prefix in
      links.flatMap { link in
        var rule = TableRule.forwarded(family, from: link)
        rule.destination = Test(prefix)
        return acceptRules(rule)
      }
    }
  }

  /// Rules with the same matches as `rule` that accept packets within the network.
  private func acceptRules(_ rule: TableRule) -> [TableRule] {
    let targets = (separatesContainers ? [.jump(Layout.linksChain(bridge))] : []) + [Target.returnToCaller]
    return targets.map { target in
      var rule = rule
      rule.target = target
      return rule
    }
  }
}

extension TableRule {
  fileprivate static func forwarded(
    _ family: IPFamily, from: InterfaceName? = nil, to: InterfaceName? = nil, target: Target = .drop
  ) -> TableRule {
    var rule = TableRule(family, target: target)
    rule.inDevice = from.map { Test(Device($0)) }
    rule.outDevice = to.map { Test(Device($0)) }
    return rule
  }
}

extension Masked {
  /// The group of links that we created.
  fileprivate static let ours = Masked(UInt32(Isolation.linkGroup))
}
