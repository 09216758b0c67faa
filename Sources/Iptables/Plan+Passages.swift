import CNI
import NetTypes
import PacketFilter

extension Plan {
  /// Accepts a network's packets ahead of FORWARD's own rules: two jumps and a chain, for any number of containers.
  mutating func add(_ passage: Passage) throws(KernelError) {
    let (subnet, family) = (passage.subnet.network, passage.subnet.family)
    let table = TableName(.filter, family)
    let chain =
      Layout.admissionPrefix
      + Owner.shortHash("\(network) \(subnet) \(passage.kind.rawValue) \(passage.link?.description ?? "")")
    need(Layout.forward, from: ["FORWARD"], "CNI firewall plugin rules", .after(Layout.isolation), table)
    var comment = Layout.mark(tag, part)
    if let name = passage.adminChain {
      guard Layout.isChainName(name), !Layout.isOurs(name) else {
        throw KernelError(
          "admit \(subnet)", errno: .EINVAL, reason: "admin chain \(name): want \(Layout.wantedChainName)")
      }
      need(.foreign(.init(name, from: Layout.forward, .first, Layout.adminComment, family)), table)
      comment += " \(name)"
    }
    need(.filled(Piece.Filled(chain: chain, rules: passage.rules)), table)
    var away = TableRule(family, .comment(network), target: .jump(chain))
    away.source = Test(subnet)
    var towards = away
    towards.source = nil
    towards.destination = Test(subnet)
    for jump in [away, towards] { need(.shared(jump, in: Layout.forward, .last), table) }
    need(.chain(Layout.owners), table)
    need(.owned(TableRule(family, .comment(comment), target: .jump(chain)), in: Layout.owners, .last), table)
  }

  /// The part of the plan for these tables.
  func limited(to tables: [TableName]) -> Plan {
    var plan = self
    plan.pieces = pieces.filter { tables.contains($0.key) }
    return plan
  }

  /// The pieces of both plans; equal pieces are kept once.
  func joined(with other: Plan) -> Plan {
    var plan = self
    for name in other.tables { for piece in other.pieces[name] ?? [] { plan.need(piece, name) } }
    return plan
  }
}

extension Passage {
  fileprivate var rules: [TableRule] {
    let family = subnet.family
    var towards = TableRule(family, kind == .outbound ? .answers : .translated, target: .accept)
    towards.destination = Test(subnet.network)
    var away = TableRule(family, target: .accept)
    if kind == .published { away.matches = [.answers] }
    away.source = Test(subnet.network)
    away.inDevice = link.map { Test(Device($0)) }
    return [towards, away]
  }
}

extension Claim {
  var onlyPassages: Claim { filtered { $0.isPassage } }
  var withoutPassages: Claim { filtered { !$0.isPassage } }

  private func filtered(_ isWanted: (Rule) -> Bool) -> Claim {
    var claim = self
    claim.rules = rules.filter(isWanted)
    return claim
  }
}
