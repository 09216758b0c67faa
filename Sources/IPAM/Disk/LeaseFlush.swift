public import CNI
import Linux
public import NetTypes

extension LeaseDirectory {
  /// Makes leases survive a loss of power, the n-th one out of range set n, and what was handed out last.
  ///
  /// Without the lock: a disk's milliseconds keep nobody waiting, and it does once for many what many wait for.
  ///
  /// - Throws: code 106.
  public static func flush(
    _ dataDir: String, _ network: NetworkName, _ addresses: [IPAddress]
  ) throws(CNIError) {
    let path = "\(dataDir)/\(network)"
    try storing { () throws(KernelError) in
      for (number, address) in addresses.enumerated() {
        try flush("\(path)/last_reserved_ip.\(number)")
        try flush("\(path)/\(address)")
      }
      try flush(path)
    }
  }

  /// No-op where there is no such file any more.
  private static func flush(_ path: String) throws(KernelError) {
    do throws(KernelError) {
      try naming(path) { () throws(KernelError) in try Descriptor.open(path, for: .inspecting).flush() }
    } catch  where error.errno == .ENOENT {}
  }
}
