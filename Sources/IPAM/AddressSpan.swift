public import NetTypes

/// A range of addresses of one family, with its first and its last address.
public struct AddressSpan: TextCodable {
  public static let expectedForm =
    "an address, a prefix such as 10.1.2.0/28, or two addresses such as 10.1.2.3-10.1.2.9"

  public let first: IPAddress
  public let last: IPAddress

  /// `nil` if `last` comes before `first` or has another family.
  public init?(_ first: IPAddress, through last: IPAddress) {
    guard first.family == last.family, first <= last else { return nil }
    self.first = first
    self.last = last
  }

  /// A single address.
  public init(_ address: IPAddress) {
    first = address
    last = address
  }

  /// Every address of a network.
  public init(_ prefix: IPPrefix) {
    first = prefix.first
    last = prefix.last
  }

  public init?(_ text: String) {
    if let address = IPAddress(text) {
      self.init(address)
    } else if let prefix = IPPrefix(text) {
      self.init(prefix)
    } else {
      let ends = text.split(separator: "-", omittingEmptySubsequences: false)
      guard ends.count == 2, let first = IPAddress(String(ends[0])), let last = IPAddress(String(ends[1])) else {
        return nil
      }
      self.init(first, through: last)
    }
  }

  public var description: String { first == last ? first.description : "\(first)-\(last)" }
  public var family: IPFamily { first.family }

  /// How many addresses it has; all of IPv6 counts as the largest number.
  public var count: UInt128 {
    let (count, overflow) = (last.value - first.value).addingReportingOverflow(1)
    return overflow ? .max : count
  }

  public func contains(_ address: IPAddress) -> Bool {
    address.family == family && first <= address && address <= last
  }

  public func overlaps(_ other: AddressSpan) -> Bool {
    other.family == family && first <= other.last && other.first <= last
  }

  /// The part after `address`; `nil` if nothing is left.
  public func after(_ address: IPAddress) -> AddressSpan? {
    guard address.family == family else { return nil }
    guard address >= first else { return self }
    return address.advanced(by: 1).flatMap { AddressSpan($0, through: last) }
  }

  /// The part up to `address`, which is included; `nil` if nothing is left.
  public func upTo(_ address: IPAddress) -> AddressSpan? {
    AddressSpan(first, through: min(address, last))
  }

  /// The parts that remain without `other`: none, one or two spans.
  public func without(_ other: AddressSpan) -> [AddressSpan] {
    guard overlaps(other) else { return [self] }
    return [other.first.predecessor.flatMap { upTo($0) }, after(other.last)].compactMap { $0 }
  }
}
