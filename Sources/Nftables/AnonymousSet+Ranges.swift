import NetTypes
import PacketFilter

extension AnonymousSet {
  /// Addresses of one family; a set of intervals, unless each range is one address.
  ///
  /// The ranges are in order, with addresses between them.
  static func addresses(_ end: End, _ ranges: [ClosedRange<IPAddress>]) -> AnonymousSet {
    let family = ranges[0].lowerBound.family
    let (header, field) = end.nftNumbers(family)
    let loaded = SetUserData.loaded(header: header, field: field)
    let isInterval = ranges.contains { $0.lowerBound < $0.upperBound }
    var set = AnonymousSet(
      type: Field.Kind(family).number, keys: [], userData: SetUserData.key(.network))
    if isInterval {
      // As nft does: what is before the first interval ends at the lowest address.
      let lowest = FamilySets(family).anyAddress
      if ranges[0].lowerBound != lowest { set.keys.append(lowest.bytes) }
      set.firstEnd = 1 - set.keys.count
      set.userData += SetUserData.mergingElements
    }
    for range in ranges {
      set.keys.append(range.lowerBound.bytes)
      if isInterval, let next = range.upperBound.advanced(by: 1) { set.keys.append(next.bytes) }
    }
    set.userData += loaded
    return set
  }

  /// Ports with their protocols; with ranges, a set of intervals, which is slower.
  static func ports(_ spans: [PortSpan]) -> AnonymousSet {
    concatenation([.transport, .port], spans.map { (first: $0.first, last: $0.last) }, SetUserData.concatenatedKey)
  }

  /// Addresses, each with the ports that are allowed there.
  static func ports(_ end: End, _ allowed: [AllowedRange]) -> AnonymousSet {
    let family = allowed[0].addresses.lowerBound.family
    let (header, field) = end.nftNumbers(family)
    let ranges = allowed.flatMap { one in
      one.ports.map { span in
        (
          first: [.address(one.addresses.lowerBound)] + span.first,
          last: [.address(one.addresses.upperBound)] + span.last
        )
      }
    }
    return concatenation(
      [Field.Kind(family), .transport, .port], ranges, SetUserData.concatenatedKey(header, field))
  }

  private static func concatenation(
    _ kinds: [Field.Kind], _ ranges: [(first: [Field], last: [Field])], _ loaded: [UInt8]
  ) -> AnonymousSet {
    var set = AnonymousSet(
      type: kinds.number, keys: ranges.map { $0.first.bytes }, userData: SetUserData.key(.none))
    if ranges.contains(where: { $0.first != $0.last }) {
      set.ends = ranges.map { $0.last.bytes }
      set.fieldLengths = kinds.map { UInt32($0.byteCount) }
      set.userData += SetUserData.mergingElements
    }
    set.userData += loaded
    return set
  }
}

extension PortSpan {
  fileprivate var first: [Field] { [.transport(transport ?? .tcp), .port(ports.lowerBound)] }
  fileprivate var last: [Field] { [.transport(transport ?? .tcp), .port(ports.upperBound)] }
}

extension End {
  /// nft's own numbers for the family's header and this address in it.
  fileprivate func nftNumbers(_ family: IPFamily) -> (header: UInt32, field: UInt32) {
    switch family {
    case .v4: (12, self == .source ? 11 : 12)
    case .v6: (13, self == .source ? 8 : 9)
    }
  }
}
