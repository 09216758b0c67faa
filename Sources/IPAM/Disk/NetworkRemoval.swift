public import CNI
import Linux
import NetTypes

extension LeaseDirectory {
  /// Removes everything kept for `network`: leases, whosever they are, and what `auto` and `sticky` remember.
  ///
  /// - Throws: code 11 where the lock stays taken, 106 where something cannot be removed.
  public static func forget(
    dataDir: String, network: NetworkName, indexDirectory: String = defaultIndexDirectory
  ) throws(CNIError) {
    // Held to the end, so that no ADD finds half of it.
    let leases = try open(dataDir: dataDir, network: network, making: false, indexDirectory: indexDirectory)
    try storing { () throws(KernelError) in
      try Files.clear("\(dataDir)/.auto-subnets/\(network)")
      for part in ["names", "addresses"] { try removeFlatDirectory("\(dataDir)/.sticky/\(network)/\(part)") }
      try Files.removeEmptyDirectory("\(dataDir)/.sticky/\(network)")
      guard let status = try Files.status("\(dataDir)/\(network)") else { return }
      try removeFlatDirectory("\(dataDir)/\(network)")
      try Files.remove(indexPath(of: status, in: indexDirectory))
    }
    _ = consume leases
  }

  /// Removes a directory of files and nothing else; one that holds others stays.
  private static func removeFlatDirectory(_ path: String) throws(KernelError) {
    for name in try Files.list(path) ?? [] { try Files.clear("\(path)/\(name)") }
    try Files.removeEmptyDirectory(path)
  }
}
