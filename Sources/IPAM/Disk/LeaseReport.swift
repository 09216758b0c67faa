public import CNI
import Linux
import NetTypes

/// A network's leases, as shown to the operator.
public struct LeaseReport: Equatable, Sendable {
  /// Sorted by address.
  public var leases: [Lease]
  /// How many addresses of all range sets can be handed out and are not leased.
  public var free: UInt128

  /// Reads the leases of `network`, without a lock and without any change.
  ///
  /// `sets` are the network's range sets; none if its configuration is gone.
  ///
  /// - Throws: code 106.
  public static func read(
    dataDir: String, network: NetworkName, sets: [RangeSet] = []
  ) throws(CNIError) -> LeaseReport {
    let leases = try withStoreErrors { () throws(KernelError) in
      try LeaseDirectory.leases(in: "\(dataDir)/\(network)") ?? []
    }
    let free = sets.map { set in
      set.capacity - UInt128(leases.count { lease in set.usable.contains { $0.contains(lease.address) } })
    }
    return LeaseReport(
      leases: leases, free: free.reduce(0) { $0.addingReportingOverflow($1).overflow ? .max : $0 + $1 })
  }
}

extension LeaseDirectory {
  /// All leases in that directory, sorted by address; `nil` if there is no such directory.
  static func leases(in path: String) throws(KernelError) -> [Lease]? {
    guard let names = try Files.list(path) else { return nil }
    var leases: [Lease] = []
    for name in names {
      guard let address = leasedAddress(name) else { continue }
      let holder: LeaseHolder?
      switch try LeaseContent(ofFile: "\(path)/\(name)") {
      case .missing, .unknown: continue
      case .held(let found): holder = found
      case .incomplete: holder = nil
      }
      guard let status = try Files.status("\(path)/\(name)") else { continue }
      leases.append(Lease(address: address, holder: holder, leasedAt: status.modified.seconds))
    }
    return leases.sorted { $0.address < $1.address }
  }
}
