public import CNI
import Linux
import NetTypes

/// What an operator wants to know of a network's leases.
public struct LeaseReport: Equatable, Sendable {
  /// Sorted by address.
  public var leases: [Lease]
  /// Addresses that may be handed out, in all range sets together, and are not leased.
  public var free: UInt128

  /// Reads the leases of `network`; changes nothing, and waits for nobody.
  ///
  /// `sets` are the network's; none where its configuration is gone.
  ///
  /// - Throws: code 106.
  public static func read(
    dataDir: String, network: NetworkName, sets: [RangeSet] = []
  ) throws(CNIError) -> LeaseReport {
    let leases = try storing { () throws(KernelError) in try LeaseDirectory.leases(in: "\(dataDir)/\(network)") ?? [] }
    let free = sets.map { set in
      set.capacity - UInt128(leases.count { lease in set.usable.contains { $0.contains(lease.address) } })
    }
    return LeaseReport(
      leases: leases, free: free.reduce(0) { $0.addingReportingOverflow($1).overflow ? .max : $0 + $1 })
  }
}

extension LeaseDirectory {
  /// Every lease of that directory, sorted by address; `nil` where there is no such directory.
  static func leases(in path: String) throws(KernelError) -> [Lease]? {
    guard let names = try Files.list(path) else { return nil }
    var leases: [Lease] = []
    for name in names {
      guard let address = leasedAddress(name) else { continue }
      let holder: LeaseHolder?
      switch try LeaseContent(ofFile: "\(path)/\(name)") {
      case .missing, .unknown: continue
      case .held(let found): holder = found
      case .torn: holder = nil
      }
      guard let status = try Files.status("\(path)/\(name)") else { continue }
      leases.append(Lease(address: address, holder: holder, madeAt: status.modified.seconds))
    }
    return leases.sorted { $0.address < $1.address }
  }
}
