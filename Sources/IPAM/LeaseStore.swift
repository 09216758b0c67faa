public import CNI
public import NetTypes

/// The leases of one network, kept from changing by others as long as this value lives.
///
/// `LeaseDisk` implements it with files; tests use a fake. Everything throws code 106, naming the file.
public protocol LeaseStore: ~Copyable {
  /// The addresses leased to that holder, or else to its container without an interface.
  mutating func addresses(of holder: LeaseHolder) throws(CNIError) -> [IPAddress]

  /// `nil` where the address is free; a lease that names nobody is removed then.
  mutating func holder(of address: IPAddress) throws(CNIError) -> LeaseHolder?

  /// The lowest address of the span that is not leased.
  mutating func firstFree(in span: AddressSpan) throws(CNIError) -> IPAddress?

  /// How many addresses of these spans are leased.
  mutating func leasedCount(in spans: [AddressSpan]) throws(CNIError) -> UInt128

  /// Leases the address and remembers it as the last one of range set number `set`: both or neither.
  ///
  /// The lease dies with what is now at `namespacePath`. False where the address is leased already.
  mutating func take(
    _ address: IPAddress, for holder: LeaseHolder, namespacePath: String, set: Int
  ) throws(CNIError) -> Bool

  /// Nothing happens where the address is free.
  mutating func release(_ address: IPAddress) throws(CNIError)

  /// Every lease, sorted by address: reads every file.
  mutating func allLeases() throws(CNIError) -> [Lease]

  /// Leases whose namespace is gone, by a reboot or otherwise: reads every file's attribute.
  mutating func deadLeases() throws(CNIError) -> [IPAddress]

  /// Where that range set's last lease was; `nil` where nobody knows.
  mutating func lastReserved(set: Int) throws(CNIError) -> IPAddress?

  /// The addresses that `name` had when it last asked with `sticky`.
  mutating func remembered(_ name: StickyName) throws(CNIError) -> [IPAddress]

  /// The name that address is remembered for.
  mutating func rememberer(of address: IPAddress) throws(CNIError) -> StickyName?

  /// Forgets what `name` had before, and whoever had these addresses.
  mutating func remember(_ addresses: [IPAddress], for name: StickyName) throws(CNIError)
}

/// One lease as it is on the disk.
public struct Lease: Equatable, Sendable {
  public var address: IPAddress
  /// `nil` for a file that names nobody: its writer died.
  public var holder: LeaseHolder?
  /// When it was made: seconds since 1970.
  public var madeAt: Int

  public init(address: IPAddress, holder: LeaseHolder?, madeAt: Int) {
    self.address = address
    self.holder = holder
    self.madeAt = madeAt
  }
}

/// A container by name, and which of its interfaces: what outlives the container's identifier.
public struct StickyName: Hashable, Sendable {
  public var container: String
  public var interface: String

  public init(container: String, interface: String) {
    self.container = container
    self.interface = interface
  }
}
