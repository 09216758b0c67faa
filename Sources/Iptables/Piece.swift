/// One thing that must be so in a table.
enum Piece: Hashable, Sendable {
  /// A chain of ours, made where it is missing.
  case chain(String)
  /// A chain of ours that has these rules and no others.
  case filled(Filled)
  /// A rule that is there once, for whoever needs it.
  case shared(TableRule, in: String, Place)
  /// A rule of the owner's.
  case owned(TableRule, in: String, Place)
  /// A chain that is somebody else's, made where it is missing, and the rule that jumps to it.
  case foreign(Foreign)
  /// A chain that somebody else must have made.
  case existing(String)

  enum Place: Hashable, Sendable {
    case first
    case last
    /// After the jump to that chain; first where there is none.
    case after(String)
    /// Before the jump to that chain; last where there is none.
    case before(String)
  }

  struct Filled: Hashable, Sendable {
    var chain: String
    var rules: [TableRule]
    /// What two owners that want different rules there disagree about; `nil`: they cannot.
    var subject: String?
  }

  struct Foreign: Hashable, Sendable {
    var chain: String
    /// The chain that jumps there.
    var from: String
    var place: Place
    /// The jump where we made the chain.
    var made: TableRule
    /// The jump where it was there before.
    var found: TableRule
  }
}
