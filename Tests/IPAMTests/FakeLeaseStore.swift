import CNI
import IPAM
import NetTypes

/// Leases in memory; call number `failingCall` throws, and every later call too unless `failsOnlyOnce`.
struct FakeLeaseStore: LeaseStore, ~Copyable {
  var leases: [IPAddress: LeaseHolder] = [:]
  var last: [Int: IPAddress] = [:]
  var dead: Set<IPAddress> = []
  var names: [StickyName: [IPAddress]] = [:]
  /// Leased by a process without the lock: visible only in an attempt to lease them.
  var unseen: [IPAddress: LeaseHolder] = [:]
  var calls = 0
  var failingCall: Int?
  var failsOnlyOnce = true

  static let failure = CNIError(.leaseStore, "write lease: No space left on device")

  private mutating func step() throws(CNIError) {
    calls += 1
    guard let failingCall else { return }
    if failsOnlyOnce ? calls == failingCall : calls >= failingCall { throw Self.failure }
  }

  mutating func addresses(of holder: LeaseHolder) throws(CNIError) -> [IPAddress] {
    try step()
    return leases.filter { $0.value == holder }.keys.sorted()
  }

  mutating func holder(of address: IPAddress) throws(CNIError) -> LeaseHolder? {
    try step()
    return leases[address]
  }

  mutating func firstFree(in span: AddressSpan) throws(CNIError) -> IPAddress? {
    try step()
    var next: IPAddress? = span.first
    while let address = next, leases[address] != nil {
      next = address == span.last ? nil : address.advanced(by: 1)
    }
    return next
  }

  mutating func leasedCount(in spans: [AddressSpan]) throws(CNIError) -> UInt128 {
    try step()
    return UInt128(leases.keys.count { address in spans.contains { $0.contains(address) } })
  }

  mutating func take(
    _ address: IPAddress, for holder: LeaseHolder, namespacePath: String, set: Int
  ) throws(CNIError) -> Bool {
    try step()
    if let thief = unseen.removeValue(forKey: address) { leases[address] = thief }
    guard leases[address] == nil else { return false }
    leases[address] = holder
    last[set] = address
    return true
  }

  mutating func release(_ address: IPAddress) throws(CNIError) {
    try step()
    leases[address] = nil
  }

  mutating func allLeases() throws(CNIError) -> [Lease] {
    try step()
    return leases.map { Lease(address: $0.key, holder: $0.value, leasedAt: 0) }.sorted { $0.address < $1.address }
  }

  mutating func deadLeases() throws(CNIError) -> [IPAddress] {
    try step()
    return dead.filter { leases[$0] != nil }.sorted()
  }

  mutating func lastReserved(set: Int) throws(CNIError) -> IPAddress? {
    try step()
    return last[set]
  }

  mutating func stickyAddresses(of name: StickyName) throws(CNIError) -> [IPAddress] {
    try step()
    return names[name] ?? []
  }

  mutating func stickyOwner(of address: IPAddress) throws(CNIError) -> StickyName? {
    try step()
    return names.first { $0.value.contains(address) }?.key
  }

  mutating func recordAddresses(_ addresses: [IPAddress], for name: StickyName) throws(CNIError) {
    try step()
    names = names.filter { !$0.value.contains(where: addresses.contains) }
    names[name] = addresses
  }
}
