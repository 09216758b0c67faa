import CNI
import NetTypes
import PacketFilter

/// An owner's rules in the tables of `iptables`.
struct Plan: Equatable, Sendable {
  var pieces: [TableName: [Piece]] = [:]
  private var needed: [TableName: Set<Piece>] = [:]
  let tag: String
  let part: Part
  /// The tag prefix of the owner's network.
  let network: String
  /// The families in which bridges are isolated.
  let families: [IPFamily]

  init(_ claim: Claim, _ families: [IPFamily]) {
    self.families = families
    tag = claim.owner.filterTag
    part = claim.part
    network = Owner.filterTagPrefix(claim.owner.network)
  }

  /// Everything that the claim needs.
  ///
  /// - Parameters:
  ///   - claim: the wanted rules.
  ///   - families: the families that the host supports.
  /// - Returns: the pieces of each table.
  /// - Throws: EOPNOTSUPP for a rule that only nftables supports, EINVAL for an invalid condition or chain name.
  static func of(_ claim: Claim, families: [IPFamily] = IPFamily.allCases) throws(KernelError) -> Plan {
    var plan = Plan(claim, families)
    for rule in claim.rules { try plan.add(rule) }
    return plan
  }

  var tables: [TableName] { TableName.all.filter { pieces[$0] != nil } }

  /// The comment of the owner's rules.
  var mark: Match { .comment(Layout.mark(tag, part)) }

  mutating func add(_ rule: Rule) throws(KernelError) {
    switch rule {
    case .masquerade(let wanted): add(wanted)
    case .isolate(let wanted): for family in families { add(wanted, family) }
    case .link(let link): add(link)
    case .guardSource(let guarded): throw noFrames(guarded.port)
    case .guardAddresses(let guarded): throw noFrames(guarded.port)
    case .guardTunnel(let tunnel):
      throw KernelError(
        "guard UDP port \(tunnel.port)", errno: .EOPNOTSUPP,
        reason: "the iptables backend cannot; needs the nftables backend")
    case .publish(let port): try add(port)
    case .float(let floating): add(floating)
    case .admit(let admission): try add(admission)
    case .serve(let service): add(service)
    case .pass(let passage): try add(passage)
    case .trust: break  // sources are in firewalld, not in a table
    }
  }

  private func noFrames(_ port: InterfaceName) -> KernelError {
    KernelError(
      "guard \(port)", errno: .EOPNOTSUPP, reason: "the iptables backend sees no frames; needs the nftables backend")
  }

  /// Adds a piece; several rules of one owner may need the same one, which is added once.
  mutating func need(_ piece: Piece, _ table: TableName) {
    if needed[table, default: []].insert(piece).inserted { pieces[table, default: []].append(piece) }
  }

  /// Adds one of our chains and the jumps to it from built-in chains.
  mutating func need(
    _ chain: String, from hooks: [String], _ comment: String, _ place: Piece.Place, _ table: TableName,
    localOnly: Bool = false
  ) {
    need(.chain(chain), table)
    var jump = TableRule(table.family, .comment(comment), target: .jump(chain))
    if localOnly { jump.matches.insert(.addressType(source: nil, destination: Test(.local)), at: 0) }
    for hook in hooks {
      // Packets that the host sends to itself have been translated in OUTPUT.
      jump.destination = localOnly && hook == "PREROUTING" ? Test(.loopback(table.family), isNegated: true) : nil
      need(.shared(jump, in: hook, place), table)
    }
  }

  /// Counts the owner among the users of `chain`.
  mutating func own(_ chain: String, source: IPAddress? = nil, _ table: TableName) {
    need(.chain(Layout.owners), table)
    var rule = TableRule(table.family, mark, target: .jump(chain))
    rule.source = source.map { Test(IPPrefix(host: $0)) }
    need(.owned(rule, in: Layout.owners, .last), table)
  }
}

extension Match {
  /// Replies.
  static let answers = Match.states(Test([.related, .established]))
  /// Replies, and packets to a published port.
  static let expected = Match.states(Test([.related, .established, .translated]))
  static let unexpected = Match.states(Test([.related, .established, .translated], isNegated: true))
  /// Packets to a published port, and the replies from it.
  static let translated = Match.states(Test(.translated))
}
