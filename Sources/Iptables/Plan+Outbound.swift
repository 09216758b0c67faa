import CNI
import NetTypes
import PacketFilter

extension Plan {
  mutating func needOutbound(_ table: TableName) {
    need(Layout.outbound, from: ["POSTROUTING"], "cni: outbound", .last, table)
  }

  mutating func add(_ wanted: Masquerade) {
    let family = wanted.address.family
    let table = TableName(.nat, family)
    let subnet = wanted.subnet.network
    let chain = Layout.masqueradePrefix + Owner.shortHash("\(network) \(subnet) \(wanted.isRandom)")
    var rules: [TableRule] = []
    for prefix in [subnet, IPPrefix.multicast(family)] {
      var rule = TableRule(family, target: .returnToCaller)
      rule.destination = Test(prefix)
      rules.append(rule)
    }
    rules.append(TableRule(family, target: .masquerade(isRandom: wanted.isRandom)))
    needOutbound(table)
    need(.filled(Piece.Filled(chain: chain, rules: rules)), table)
    var jump = TableRule(family, .comment(network), target: .jump(chain))
    jump.source = Test(subnet)
    need(.shared(jump, in: Layout.outbound, .last), table)
    own(chain, source: wanted.address, table)
  }

  /// Masquerades packets from `source` that were translated to `target`, so that the replies return through this host.
  ///
  /// - Parameters:
  ///   - source: the sender's prefix; `nil`: any sender.
  ///   - target: a container.
  ///   - table: the table to change.
  mutating func masqueradeTranslated(from source: IPPrefix?, to target: IPAddress, _ table: TableName) {
    needOutbound(table)
    var rule = TableRule(table.family, .translated, mark, target: .masquerade(isRandom: false))
    rule.source = source.map { Test($0) }
    rule.destination = Test(IPPrefix(host: target))
    need(.owned(rule, in: Layout.outbound, .first), table)
  }

  /// Masquerades such packets for all published ports of a subnet: one rule, whatever the number of containers.
  ///
  /// The rule is removed with the last published port of the subnet (`sweepReturnPaths`). Until then it applies to all
  /// containers of the subnet, also to those without masquerade: their replies would otherwise bypass this host.
  mutating func masqueradePublished(from source: IPPrefix, to subnet: IPPrefix, _ table: TableName) {
    needOutbound(table)
    var rule = TableRule(
      table.family, .translated, .comment(Layout.returnComment), target: .masquerade(isRandom: false))
    rule.source = Test(source)
    rule.destination = Test(subnet)
    need(.shared(rule, in: Layout.outbound, .first), table)
  }

  mutating func add(_ floating: FloatingAddress) {
    let family = floating.external.family
    let table = TableName(.nat, family)
    need(
      Layout.floating, from: ["PREROUTING", "OUTPUT"], "cni: floating addresses", .before(Layout.ports), table)
    var inbound = TableRule(family, mark, target: .destination(floating.target, port: nil))
    inbound.destination = Test(IPPrefix(host: floating.external))
    need(.owned(inbound, in: Layout.floating, .last), table)
    needOutbound(table)
    let unicast = Match.addressType(source: nil, destination: Test(.multicast, isNegated: true))
    var outbound = TableRule(family, unicast, mark, target: .source(floating.external))
    outbound.source = Test(IPPrefix(host: floating.target))
    outbound.destination = Test(floating.subnet.network, isNegated: true)
    need(.owned(outbound, in: Layout.outbound, .first), table)
    masqueradeTranslated(from: floating.subnet.network, to: floating.target, table)
  }
}

extension IPPrefix {
  static func multicast(_ family: IPFamily) -> IPPrefix {
    let first = family == .v4 ? IPAddress(v4: 0xE000_0000) : IPAddress(v6: 0xFF << 120)
    return IPPrefix(first, length: family == .v4 ? 4 : 8) ?? IPPrefix(host: first)
  }

  /// The host's loopback addresses.
  static func loopback(_ family: IPFamily) -> IPPrefix {
    let first = family == .v4 ? IPAddress(v4: 0x7F00_0000) : IPAddress(v6: 1)
    return IPPrefix(first, length: family == .v4 ? 8 : 128) ?? IPPrefix(host: first)
  }
}
