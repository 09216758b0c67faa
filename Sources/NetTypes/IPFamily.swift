/// An address family of the Internet protocol.
public enum IPFamily: Sendable, Hashable, CaseIterable {
  case v4
  case v6

  /// The number of bits in an address: 32 or 128.
  public var bitWidth: Int { self == .v4 ? 32 : 128 }

  /// "4" or "6", as CNI results before 1.0.0 write the family.
  public var digit: String { self == .v4 ? "4" : "6" }
}
