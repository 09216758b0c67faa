/// The value of `CNI_COMMAND` (spec section 2).
public enum Command: String, CaseIterable, Sendable {
  case add = "ADD"
  case del = "DEL"
  case check = "CHECK"
  case gc = "GC"
  case status = "STATUS"
  case version = "VERSION"

  /// The first version of the specification that has the command.
  public var since: SpecVersion {
    switch self {
    case .add, .del, .version: .v0_1_0
    case .check: .v0_4_0
    case .gc, .status: .v1_1_0
    }
  }
}
