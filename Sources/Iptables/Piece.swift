/// One part of a plan that must be present in a table.
enum Piece: Hashable, Sendable {
  /// One of our chains, created if it is missing.
  case chain(String)
  /// One of our chains, with exactly these rules.
  case filled(Filled)
  /// A rule that several owners share; it is present once.
  case shared(TableRule, in: String, Place)
  /// A rule of one owner.
  case owned(TableRule, in: String, Place)
  /// A chain that is not ours, created if it is missing, and the rule that jumps to it.
  case foreign(Foreign)
  /// A chain that another program must have created.
  case existing(String)

  enum Place: Hashable, Sendable {
    case first
    case last
    /// After the jump to that chain; at the top if there is none.
    case after(String)
    /// Before the jump to that chain; at the end if there is none.
    case before(String)
  }

  struct Filled: Hashable, Sendable {
    var chain: String
    var rules: [TableRule]
    /// What the chain's owners disagree about if they want different rules; `nil`: that cannot happen.
    var subject: String?
  }

  struct Foreign: Hashable, Sendable {
    var chain: String
    /// The chain with the jump.
    var from: String
    var place: Place
    /// The jump if we created the chain.
    var made: TableRule
    /// The jump if the chain existed before.
    var found: TableRule
  }
}
