import NetTypes

/// A table in which we have rules.
struct TableName: Hashable, Sendable, CustomStringConvertible {
  enum Kind: String, CaseIterable, Sendable { case nat, filter }

  var kind: Kind
  var family: IPFamily

  init(_ kind: Kind, _ family: IPFamily) {
    self.kind = kind
    self.family = family
  }

  /// All tables, in the order in which they are changed.
  static let all = Kind.allCases.flatMap { kind in IPFamily.allCases.map { TableName(kind, $0) } }

  /// The table with the loopback guard.
  static let loopbackGuard = TableName(.filter, .v4)

  var description: String { "table \(kind.rawValue) of IPv\(family.digit)" }
}
