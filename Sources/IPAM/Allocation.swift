public import CNI
public import NetTypes

/// A request of one attachment for addresses: one of each range set.
public struct AddressRequest: Equatable, Sendable {
  public var owner: AttachmentID
  public var namespacePath: String
  public var sets: [RangeSet]
  /// Addresses that the runtime requests; range sets without one give any address.
  public var requested: [IPAddress]
  /// The container's name, if it keeps its addresses (key `sticky`).
  public var stickyName: StickyName?

  public init(
    owner: AttachmentID, namespacePath: String, sets: [RangeSet], requested: [IPAddress] = [],
    stickyName: StickyName? = nil
  ) {
    self.owner = owner
    self.namespacePath = namespacePath
    self.sets = sets
    self.requested = requested
    self.stickyName = stickyName
  }
}

extension LeaseStore where Self: ~Copyable {
  /// Leases one address of each range set, in their order; all of them or none.
  ///
  /// - Throws: 102 if a set has none left, 103 if a requested address is not available, 104 if the attachment already has
  ///   addresses.
  public mutating func allocate(_ request: AddressRequest) throws(CNIError) -> [AddressRange.Assignment] {
    let holder = LeaseHolder(request.owner)
    let earlier = try addresses(of: holder)
    guard earlier.isEmpty else {
      throw CNIError.leased(earlier, to: holder, in: request.owner.network)
    }
    let requested = try request.sets.requestedPerSet(request.requested)
    for address in requested.compactMap({ $0 }) { try checkAvailable(address) }
    var taken: [AddressRange.Assignment] = []
    do throws(CNIError) {
      for (number, set) in request.sets.enumerated() {
        taken.append(try assign(requested[number], outOf: set, number, holder, request))
      }
      if let name = request.stickyName { try recordAddresses(taken.map { $0.address }, for: name) }
      return taken
    } catch {
      throw CNIError(joining: [error] + releaseAll(taken.map { $0.address })) ?? error
    }
  }

  /// Releases addresses that an ADD leased.
  ///
  /// - Returns: the errors; one failure does not stop the rest.
  public mutating func releaseAll(_ addresses: [IPAddress]) -> [CNIError] {
    var failures: [CNIError] = []
    for address in addresses {
      do throws(CNIError) { try release(address) } catch { failures.append(error) }
    }
    return failures
  }

  private mutating func checkAvailable(_ address: IPAddress) throws(CNIError) {
    guard let holder = try holder(of: address) else { return }
    guard try deadLeases().contains(address) else { throw CNIError.unavailable(address, "it is leased to \(holder)") }
    try release(address)
  }

  private mutating func assign(
    _ requested: IPAddress?, outOf set: RangeSet, _ number: Int, _ holder: LeaseHolder, _ request: AddressRequest
  ) throws(CNIError) -> AddressRange.Assignment {
    var refused: Set<IPAddress> = []
    while true {
      let candidate = requested == nil ? try choose(outOf: set, number, for: request.stickyName) : requested
      guard let address = candidate, let range = set.range(containing: address) else { break }
      if try take(address, for: holder, namespacePath: request.namespacePath, set: number) {
        return AddressRange.Assignment(address: address, range: range)
      }
      // A process that ignores the lock took the address first; the store has noticed it now.
      guard requested == nil, refused.insert(address).inserted else {
        throw CNIError.unavailable(address, "it is leased")
      }
    }
    throw set.exhaustedError(in: request.owner.network)
  }

  /// Chooses a free address: the name's former one, then one that no other name had, then any.
  ///
  /// Dead leases are released before an address that another name had is chosen.
  private mutating func choose(
    outOf set: RangeSet, _ number: Int, for name: StickyName?
  ) throws(CNIError) -> IPAddress? {
    if let name {
      for address in try stickyAddresses(of: name) where set.usable.contains(where: { $0.contains(address) }) {
        if try holder(of: address) == nil { return address }
      }
    }
    let spans = set.usable(after: try lastReserved(set: number))
    if let address = try firstFree(in: spans, for: name) { return address }
    for address in try deadLeases() where set.range(containing: address) != nil { try release(address) }
    if let address = try firstFree(in: spans, for: name) { return address }
    for span in spans {
      if let address = try firstFree(in: span) { return address }
    }
    return nil
  }

  /// The first free address; with a name, the first one that no other name had before.
  private mutating func firstFree(in spans: [AddressSpan], for name: StickyName?) throws(CNIError) -> IPAddress? {
    for span in spans {
      var rest: AddressSpan? = span
      while let part = rest, let address = try firstFree(in: part) {
        guard name != nil, let other = try stickyOwner(of: address), other != name else { return address }
        rest = part.after(address)
      }
    }
    return nil
  }
}

extension AddressRange {
  /// An address and the range it came from.
  public struct Assignment: Equatable, Sendable {
    public var address: IPAddress
    public var range: AddressRange

    public init(address: IPAddress, range: AddressRange) {
      self.address = address
      self.range = range
    }

    /// The address as it appears in the result of ADD.
    public var ip: AddResult.IP? {
      IPPrefix(address, length: range.subnet.length).map { AddResult.IP(address: $0, gateway: range.gateway) }
    }
  }
}

extension LeaseStore where Self: ~Copyable {
  /// The range sets without an available address; addresses of dead leases count as available.
  public mutating func exhausted(_ sets: [RangeSet]) throws(CNIError) -> [RangeSet] {
    var full: [RangeSet] = []
    for set in sets {
      guard try leasedCount(in: set.usable) >= set.capacity else { continue }
      let dead = try deadLeases()
      if !dead.contains(where: { set.range(containing: $0) != nil }) { full.append(set) }
    }
    return full
  }
}
