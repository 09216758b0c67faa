public import CNI
public import NetTypes

/// The leases of one network, locked against other processes as long as this value lives.
///
/// `LeaseDirectory` implements it with files; tests use a fake. Every function throws code 106 naming the file.
public protocol LeaseStore: ~Copyable {
  /// The addresses leased to that holder or, if there are none, to its container without an interface.
  mutating func addresses(of holder: LeaseHolder) throws(CNIError) -> [IPAddress]

  /// `nil` if the address is free; an incomplete lease, which names no holder, is removed.
  mutating func holder(of address: IPAddress) throws(CNIError) -> LeaseHolder?

  /// The lowest free address of the span.
  mutating func firstFree(in span: AddressSpan) throws(CNIError) -> IPAddress?

  /// How many addresses of these spans are leased.
  mutating func leasedCount(in spans: [AddressSpan]) throws(CNIError) -> UInt128

  /// Leases the address and records it as the last one of range set number `set`: both or neither.
  ///
  /// The lease ends with the namespace that is now at `namespacePath`. False if the address is leased already.
  mutating func take(
    _ address: IPAddress, for holder: LeaseHolder, namespacePath: String, set: Int
  ) throws(CNIError) -> Bool

  /// No-op if the address is free.
  mutating func release(_ address: IPAddress) throws(CNIError)

  /// All leases, sorted by address; reads every lease file.
  mutating func allLeases() throws(CNIError) -> [Lease]

  /// Leases whose namespace no longer exists, also after a reboot; reads an attribute of every lease file.
  mutating func deadLeases() throws(CNIError) -> [IPAddress]

  /// The range set's last leased address; `nil` if it is not recorded.
  mutating func lastReserved(set: Int) throws(CNIError) -> IPAddress?

  /// The addresses that `name` had at its last ADD with `sticky`.
  mutating func stickyAddresses(of name: StickyName) throws(CNIError) -> [IPAddress]

  /// The name that had that address last.
  mutating func stickyOwner(of address: IPAddress) throws(CNIError) -> StickyName?

  /// Records the addresses for `name`, in place of its former ones and of the names that had these addresses.
  mutating func recordAddresses(_ addresses: [IPAddress], for name: StickyName) throws(CNIError)
}

/// One lease as stored.
public struct Lease: Equatable, Sendable {
  public var address: IPAddress
  /// `nil` for an incomplete lease file, whose writer was killed.
  public var holder: LeaseHolder?
  /// When the address was leased, in seconds since 1970.
  public var leasedAt: Int

  public init(address: IPAddress, holder: LeaseHolder?, leasedAt: Int) {
    self.address = address
    self.holder = holder
    self.leasedAt = leasedAt
  }
}

/// A container's name and one of its interfaces, which stay the same when the container gets a new ID.
public struct StickyName: Hashable, Sendable {
  public var container: String
  public var interface: String

  public init(container: String, interface: String) {
    self.container = container
    self.interface = interface
  }
}
