public import CNI
import Linux
public import NetTypes

extension LeaseDirectory {
  /// Makes these leases survive a power failure (fsync).
  ///
  /// Called without the lock, so that other processes do not wait for the disk.
  ///
  /// - Throws: code 106.
  public static func flush(
    _ dataDir: String, _ network: NetworkName, _ addresses: [IPAddress]
  ) throws(CNIError) {
    let path = "\(dataDir)/\(network)"
    try withStoreErrors { () throws(KernelError) in
      for address in addresses { try flush("\(path)/\(address)") }
      try flush(path)
    }
  }

  /// No-op if the file no longer exists.
  private static func flush(_ path: String) throws(KernelError) {
    do throws(KernelError) {
      try withPathInErrors(path) { () throws(KernelError) in try Descriptor.open(path, for: .inspecting).flush() }
    } catch  where error.errno == .ENOENT {}
  }
}
