public import CNI
public import NetTypes

extension [RangeSet] {
  /// The requested address for each set; `nil` if any address will do.
  ///
  /// - Throws: 103 for an address that is in no set, is not handed out, or is a second one for its set.
  public func asked(_ wanted: [IPAddress]) throws(CNIError) -> [IPAddress?] {
    var asked = [IPAddress?](repeating: nil, count: count)
    for address in wanted where !asked.contains(address) {
      guard let number = firstIndex(where: { $0.range(holding: address) != nil }) else {
        throw CNIError.unavailable(address, "in none of the ranges \(map(\.description).joined(separator: "; "))")
      }
      let set = self[number]
      if set.range(holding: address)?.gateway == address {
        throw CNIError.unavailable(address, "it is the subnet's gateway")
      }
      if set.range(holding: address)?.subnet.broadcast == address {
        throw CNIError.unavailable(address, "it is the subnet's broadcast address")
      }
      guard set.usable.contains(where: { $0.contains(address) }) else {
        throw CNIError.unavailable(address, "it is excluded in range set \(set)")
      }
      if let other = asked[number] {
        throw CNIError.unavailable(address, "range set \(set) gives one address and \(other) is asked for too")
      }
      asked[number] = address
    }
    return asked
  }

  /// Compares the leased addresses with the range sets and with the result of ADD.
  public func differences(leased: [IPAddress], answered: [IPAddress]) -> [String] {
    var differences: [String] = []
    for set in self {
      if !leased.contains(where: { set.range(holding: $0) != nil }) {
        differences.append("no address of range set \(set) is leased")
      }
      for address in answered where set.range(holding: address) != nil && !leased.contains(address) {
        differences.append("\(address), which ADD answered, is not leased")
      }
    }
    return differences
  }
}

extension CNIError {
  /// Code 103.
  public static func unavailable(_ address: IPAddress, _ why: String) -> CNIError {
    CNIError(.addressUnavailable, "requested IP address \(address) is not available: \(why)")
  }

  /// Code 104: the attachment already has these addresses.
  public static func leased(_ addresses: [IPAddress], to holder: LeaseHolder, in network: NetworkName) -> CNIError {
    CNIError(
      .alreadyAttached,
      "\(addresses.map(\.description).joined(separator: ", ")) has been allocated to \(holder),"
        + " duplicate allocation is not allowed",
      details: "network \(network)")
  }
}

extension RangeSet {
  /// Code 102.
  public func exhaustion(in network: NetworkName) -> CNIError {
    CNIError(
      .poolExhausted, "no IP addresses available in range set \(self): 0 of \(capacity) addresses free",
      details: "network \(network), \(key)")
  }
}
