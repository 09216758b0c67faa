public import CNI
import Linux
public import NetTypes

extension LeaseReport {
  /// Whether the namespace that a lease was taken for is still there.
  public enum Namespace: Equatable, Sendable {
    case live, gone
    /// The lease names none, as those of the reference plugin.
    case unknown
  }

  /// - Returns: for each of the addresses whether the namespace that it was leased for is still there.
  public static func namespaces(
    dataDir: String, network: NetworkName, leasing addresses: [IPAddress]
  ) -> [Namespace] {
    // One for all: it looks through every process at most once.
    var survey = LeaseMark.Survey()
    return addresses.map { address in
      let path = "\(dataDir)/\(network)/\(address)"
      if survey.isDead(leaseFile: path) { return .gone }
      // A file system without extended attributes keeps no namespace.
      return LeaseMark.Survey.mark(of: path)?.namespace == nil ? .unknown : .live
    }
  }
}
