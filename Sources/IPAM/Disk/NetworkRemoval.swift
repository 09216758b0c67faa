public import CNI
import Linux
public import NetTypes

extension LeaseDirectory {
  /// Removes everything stored for `network`: all leases, and the records of `auto` and `sticky`.
  ///
  /// - Throws: code 11 if another process keeps the lock, 106 if something cannot be removed.
  public static func removeAll(
    dataDir: String, network: NetworkName, indexDirectory: String = StatePaths.leaseIndex
  ) throws(CNIError) {
    // The lock is held to the end, so that no ADD finds an incomplete state.
    let leases = try open(dataDir: dataDir, network: network, createIfMissing: false, indexDirectory: indexDirectory)
    try withStoreErrors { () throws(KernelError) in
      try Files.clear("\(dataDir)/.auto-subnets/\(network)")
      for part in ["names", "addresses"] { try removeFlatDirectory("\(dataDir)/.sticky/\(network)/\(part)") }
      try Files.removeEmptyDirectory("\(dataDir)/.sticky/\(network)")
      guard let status = try Files.status("\(dataDir)/\(network)") else { return }
      try removeFlatDirectory("\(dataDir)/\(network)")
      try Files.remove(indexPath(of: status, in: indexDirectory))
    }
    _ = consume leases
  }

  /// Removes the files in a directory, and the directory if it is empty then.
  private static func removeFlatDirectory(_ path: String) throws(KernelError) {
    for name in try Files.list(path) ?? [] { try Files.clear("\(path)/\(name)") }
    try Files.removeEmptyDirectory(path)
  }
}
