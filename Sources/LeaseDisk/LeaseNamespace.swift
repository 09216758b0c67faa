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

  /// - Returns: whether the namespace that `address` was leased for is still there.
  public static func namespace(
    dataDir: String, network: NetworkName, leasing address: IPAddress
  ) -> Namespace {
    let path = "\(dataDir)/\(network)/\(address)"
    if LeaseMark.Survey().isDead(leaseFile: path) { return .gone }
    // A file system without extended attributes keeps no namespace.
    guard let value = try? Files.attribute(LeaseMark.attribute, of: path),
      LeaseMark(text: String(decoding: value, as: UTF8.self))?.namespace != nil
    else { return .unknown }
    return .live
  }
}
