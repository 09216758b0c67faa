/// An IEEE 802.1Q VLAN identifier: 1 to 4094.
public struct VLANID: Hashable, Comparable, Sendable, CustomStringConvertible {
  public static let range = 1...4094

  public let number: Int

  /// `nil` outside 1...4094.
  public init?(_ number: Int) {
    guard Self.range.contains(number) else { return nil }
    self.number = number
  }

  public static func < (left: Self, right: Self) -> Bool { left.number < right.number }

  public var description: String { String(number) }
}
