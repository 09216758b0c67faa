public import CNI
import Linux
public import NetTypes

extension LeaseReport {
  /// The state of the namespace that an address was leased for.
  public enum Namespace: Equatable, Sendable {
    case live, gone
    /// The lease names none, as with the reference plugin.
    case unknown
  }

  /// Finds out which namespaces still exist.
  ///
  /// - Returns: the state of the namespace of each of these addresses.
  public static func namespaces(
    dataDir: String, network: NetworkName, leasing addresses: [IPAddress]
  ) -> [Namespace] {
    // One finder for all: it looks through the processes at most once.
    var finder = LeaseLifetime.DeadLeaseFinder()
    return addresses.map { address in
      let path = "\(dataDir)/\(network)/\(address)"
      if finder.isDead(leaseFile: path) { return .gone }
      // A file system without extended attributes records no namespace.
      return LeaseLifetime.DeadLeaseFinder.lifetime(of: path)?.namespace == nil ? .unknown : .live
    }
  }
}
