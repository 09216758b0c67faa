/// One part of a plan that must be present in a table.
enum PlanItem: Hashable, Sendable {
  /// One of our chains, created if it is missing.
  case chain(String)
  /// One of our chains, with exactly these rules.
  case filled(FilledChain)
  /// A rule that several owners share; it is present once.
  case shared(TableRule, in: String, Position)
  /// A rule of one owner.
  case owned(TableRule, in: String, Position)
  /// A chain that is not ours, created if it is missing, and the rule that jumps to it.
  case foreign(ForeignChain)
  /// A chain that another program must have created.
  case existing(String)

  enum Position: Hashable, Sendable {
    case first
    case last
    /// After the jump to that chain; at the top if there is none.
    case after(String)
    /// Before the jump to that chain; at the end if there is none.
    case before(String)
  }

  struct FilledChain: Hashable, Sendable {
    var chain: String
    var rules: [TableRule]
    /// What the chain's owners disagree about if they want different rules; `nil`: that cannot happen.
    var subject: String?
  }

  struct ForeignChain: Hashable, Sendable {
    var chain: String
    /// The chain with the jump.
    var from: String
    var position: Position
    /// The jump if we created the chain.
    var jumpToCreated: TableRule
    /// The jump if the chain existed before.
    var jumpToExisting: TableRule
  }
}
