public import NetTypes

/// Addresses of one subnet that can be handed out.
public struct AddressRange: Equatable, Sendable {
  /// Its key in the configuration: `ipam`, `ipam.ranges[0][1]`.
  public var key: String
  public var subnet: IPPrefix
  /// From `rangeStart` to `rangeEnd`, gateway and excluded addresses included.
  public var span: AddressSpan
  /// The gateway, which is never handed out; `nil`: the subnet has none.
  public var gateway: IPAddress?
  /// The addresses that can be handed out, in order.
  public private(set) var usable: [AddressSpan]

  public init(key: String, subnet: IPPrefix, span: AddressSpan, gateway: IPAddress?, excluded: [AddressSpan]) {
    self.key = key
    self.subnet = subnet
    self.span = span
    self.gateway = gateway
    // podman writes the broadcast address as `rangeEnd`; a container with that address would be unreachable.
    let reserved = [gateway, subnet.broadcast].compactMap(\.self).map { AddressSpan($0) }
    usable = (reserved + excluded).reduce([span]) { rest, taken in rest.flatMap { $0.without(taken) } }
  }
}

/// A pool that gives one address to an attachment: ranges of one family that do not overlap.
public struct RangeSet: Equatable, Sendable {
  /// Its key in the configuration: `ipam.subnet`, `ipam.ranges[0]`.
  public var key: String
  public var ranges: [AddressRange]

  public init(key: String, ranges: [AddressRange]) {
    self.key = key
    self.ranges = ranges
  }

  public var family: IPFamily { ranges.first?.subnet.family ?? .v4 }

  public var usable: [AddressSpan] { ranges.flatMap(\.usable) }

  /// How many addresses can be handed out.
  public var capacity: UInt128 {
    usable.reduce(0) { sum, span in
      let (total, overflow) = sum.addingReportingOverflow(span.count)
      return overflow ? .max : total
    }
  }

  public func range(holding address: IPAddress) -> AddressRange? { ranges.first { $0.span.contains(address) } }

  /// The usable addresses in the order of allocation: from the one after `last` through all ranges, and round to `last`.
  ///
  /// Begins with the first range if `last` is in none of the ranges.
  public func usable(after last: IPAddress?) -> [AddressSpan] {
    guard let last, let start = ranges.firstIndex(where: { $0.span.contains(last) }) else { return usable }
    let others = ranges[(start + 1)...] + ranges[..<start]
    let own = ranges[start].usable
    return own.compactMap { $0.after(last) } + others.flatMap(\.usable) + own.compactMap { $0.upTo(last) }
  }
}

extension RangeSet: CustomStringConvertible {
  /// `10.1.0.1-10.1.0.254,10.2.0.1-10.2.0.9`.
  public var description: String { ranges.map { "\($0.span.first)-\($0.span.last)" }.joined(separator: ",") }
}
