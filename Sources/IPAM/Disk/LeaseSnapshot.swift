public import CNI
import Linux
public import NetTypes

/// A copy of one network's leases in memory, to learn what an ADD would lease: neither a lease nor a lock is written.
public struct LeaseSnapshot: LeaseStore {
  private let path: String
  private let sticky: StickyFiles
  private var holders: [IPAddress: LeaseHolder] = [:]

  /// Reads the leases of `network`; none if the directory is missing.
  ///
  /// - Throws: code 106.
  public init(dataDir: String, network: NetworkName) throws(CNIError) {
    path = "\(dataDir)/\(network)"
    sticky = StickyFiles(directory: "\(dataDir)/.sticky/\(network)")
    let path = path
    holders = try withStoreErrors { () throws(KernelError) in
      var holders: [IPAddress: LeaseHolder] = [:]
      for name in try Files.list(path) ?? [] {
        guard let address = leasedAddress(name) else { continue }
        switch try LeaseContent(ofFile: "\(path)/\(name)") {
        case .missing, .incomplete: continue
        case .held(let holder): holders[address] = holder
        case .unknown: holders[address] = LeaseHolder(container: "unknown", interface: nil)
        }
      }
      return holders
    }
  }

  public func addresses(of holder: LeaseHolder) -> [IPAddress] {
    let exact = holders.filter { $0.value == holder }.keys.sorted()
    guard exact.isEmpty, holder.interface != nil else { return exact }
    let container = LeaseHolder(container: holder.container, interface: nil)
    return holders.filter { $0.value == container }.keys.sorted()
  }

  public func holder(of address: IPAddress) -> LeaseHolder? { holders[address] }

  public func firstFree(in span: AddressSpan) -> IPAddress? {
    var rest: AddressSpan? = span
    while let part = rest {
      guard holders[part.first] != nil else { return part.first }
      rest = part.after(part.first)
    }
    return nil
  }

  public func leasedCount(in spans: [AddressSpan]) -> UInt128 {
    UInt128(holders.keys.count { address in spans.contains { $0.contains(address) } })
  }

  public mutating func take(
    _ address: IPAddress, for holder: LeaseHolder, namespacePath: String, set: Int
  ) -> Bool {
    guard holders[address] == nil else { return false }
    holders[address] = holder
    return true
  }

  public mutating func release(_ address: IPAddress) { holders[address] = nil }

  public func allLeases() throws(CNIError) -> [Lease] {
    try withStoreErrors { () throws(KernelError) in try LeaseDirectory.leases(in: path) ?? [] }
  }

  public func deadLeases() -> [IPAddress] {
    var finder = LeaseLifetime.DeadLeaseFinder()
    var dead: [IPAddress] = []
    for address in holders.keys where finder.isDead(leaseFile: "\(path)/\(address)") { dead.append(address) }
    return dead.sorted()
  }

  public func lastReserved(set: Int) throws(CNIError) -> IPAddress? {
    let name = "\(path)/last_reserved_ip.\(set)"
    let text = try withStoreErrors { () throws(KernelError) in try Files.state(name) }
    return text.bytes.flatMap { IPAddress(String(decoding: $0, as: UTF8.self)) }
  }

  public func stickyAddresses(of name: StickyName) throws(CNIError) -> [IPAddress] {
    try withStoreErrors { () throws(KernelError) in try sticky.addresses(of: name) }
  }

  public func stickyOwner(of address: IPAddress) throws(CNIError) -> StickyName? {
    try withStoreErrors { () throws(KernelError) in try sticky.name(of: address) }
  }

  public func recordAddresses(_ addresses: [IPAddress], for name: StickyName) {}
}
