public import CNI
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
    let reserved = [gateway, subnet.broadcast].compactMap { $0 }.map { AddressSpan($0) }
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

  public var usable: [AddressSpan] { ranges.flatMap { $0.usable } }

  /// How many addresses can be handed out.
  public var capacity: UInt128 {
    usable.reduce(0) { sum, span in
      let (total, overflow) = sum.addingReportingOverflow(span.count)
      return overflow ? .max : total
    }
  }

  public func range(containing address: IPAddress) -> AddressRange? { ranges.first { $0.span.contains(address) } }

  /// The usable addresses in the order of allocation: from the one after `last` through all ranges, and round to `last`.
  ///
  /// Begins with the first range if `last` is in none of the ranges.
  public func usable(after last: IPAddress?) -> [AddressSpan] {
    guard let last, let start = ranges.firstIndex(where: { $0.span.contains(last) }) else { return usable }
    let others = ranges[(start + 1)...] + ranges[..<start]
    let own = ranges[start].usable
    return own.compactMap { $0.after(last) } + others.flatMap { $0.usable } + own.compactMap { $0.upTo(last) }
  }
}

extension RangeSet: CustomStringConvertible {
  /// `10.1.0.1-10.1.0.254,10.2.0.1-10.2.0.9`.
  public var description: String { ranges.map { "\($0.span.first)-\($0.span.last)" }.joined(separator: ",") }
}

extension [RangeSet] {
  /// The requested address for each set; `nil` if any address will do.
  ///
  /// - Throws: 103 for an address that is in no set, is not handed out, or is a second one for its set.
  public func requestedPerSet(_ addresses: [IPAddress]) throws(CNIError) -> [IPAddress?] {
    var requested = [IPAddress?](repeating: nil, count: count)
    for address in addresses where !requested.contains(address) {
      guard let number = firstIndex(where: { $0.range(containing: address) != nil }) else {
        throw CNIError.unavailable(address, "in none of the ranges \(map { $0.description }.joined(separator: "; "))")
      }
      let set = self[number]
      if set.range(containing: address)?.gateway == address {
        throw CNIError.unavailable(address, "it is the subnet's gateway")
      }
      if set.range(containing: address)?.subnet.broadcast == address {
        throw CNIError.unavailable(address, "it is the subnet's broadcast address")
      }
      guard set.usable.contains(where: { $0.contains(address) }) else {
        throw CNIError.unavailable(address, "it is excluded in range set \(set)")
      }
      if let other = requested[number] {
        throw CNIError.unavailable(address, "range set \(set) gives one address and \(other) is requested too")
      }
      requested[number] = address
    }
    return requested
  }

  /// Compares the leased addresses with the range sets and with the result of ADD.
  public func differences(leased: [IPAddress], resultAddresses: [IPAddress]) -> [String] {
    var differences: [String] = []
    for set in self {
      if !leased.contains(where: { set.range(containing: $0) != nil }) {
        differences.append("no address of range set \(set) is leased")
      }
      for address in resultAddresses where set.range(containing: address) != nil && !leased.contains(address) {
        differences.append("\(address) of ADD's result is not leased")
      }
    }
    return differences
  }
}

extension CNIError {
  /// Code 103.
  public static func unavailable(_ address: IPAddress, _ reason: String) -> CNIError {
    CNIError(.addressUnavailable, "requested IP address \(address) is not available: \(reason)")
  }

  /// Code 104: the attachment already has these addresses.
  public static func leased(_ addresses: [IPAddress], to holder: LeaseHolder, in network: NetworkName) -> CNIError {
    CNIError(
      .alreadyAttached,
      "\(addresses.map { $0.description }.joined(separator: ", ")) has been allocated to \(holder),"
        + " duplicate allocation is not allowed",
      details: "network \(network)")
  }
}

extension RangeSet {
  /// Code 102.
  public func exhaustedError(in network: NetworkName) -> CNIError {
    CNIError(
      .poolExhausted, "no IP addresses available in range set \(self): 0 of \(capacity) addresses free",
      details: "network \(network), \(key)")
  }
}
