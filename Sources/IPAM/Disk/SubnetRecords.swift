public import CNI
import Linux
public import NetTypes

/// The subnets chosen for `auto`: one file for each network in `<dataDir>/.auto-subnets`.
public enum SubnetRecords {
  /// The subnet of that family for `network`: the recorded one, or else an unused one, which is then recorded.
  ///
  /// Without `recording` nothing is written. `used` returns the prefixes of the host's routes; it is called only if nothing is
  /// recorded.
  ///
  /// - Returns: `nil` if every candidate overlaps a used prefix.
  /// - Throws: code 11 if another process keeps the lock, 106 for file errors, and what `used` throws.
  public static func subnet(
    _ family: IPFamily, of network: NetworkName, dataDir: String, recording: Bool,
    used: () throws(CNIError) -> [IPPrefix]
  ) throws(CNIError) -> IPPrefix? {
    let directory = directory(dataDir)
    if let existing = try recorded(network, in: directory).first(where: { $0.family == family }) { return existing }
    let hostPrefixes = try used()
    guard recording else { return try choose(family, network, dataDir, hostPrefixes) }
    return try locked(directory) { () throws(CNIError) in
      let existing = try recorded(network, in: directory)
      if let existing = existing.first(where: { $0.family == family }) { return existing }
      guard let chosen = try choose(family, network, dataDir, hostPrefixes) else { return nil }
      let text = (existing + [chosen]).map { "\($0)\n" }.joined()
      try withStoreErrors { () throws(KernelError) in
        try withPathInErrors(directory.file("\(network)")) { () throws(KernelError) in
          try directory.write("\(network)", Array(text.utf8))
        }
      }
      return chosen
    }
  }

  private static func directory(_ dataDir: String) -> RecordDirectory {
    RecordDirectory("\(dataDir)/.auto-subnets", isDurable: true)
  }

  private static func locked<Value>(
    _ directory: RecordDirectory, _ body: () throws(CNIError) -> Value
  ) throws(CNIError) -> Value {
    let lock = try withStoreErrors { () throws(KernelError) in try directory.lock(".lock", seconds: 30) }
    let result: Result<Value, CNIError>
    do throws(CNIError) { result = .success(try body()) } catch { result = .failure(error) }
    _ = consume lock  // held until here
    return try result.get()
  }

  private static func recorded(_ network: NetworkName, in directory: RecordDirectory) throws(CNIError) -> [IPPrefix] {
    let bytes = try withStoreErrors { () throws(KernelError) in try directory.readRegular("\(network)") }
    return String(decoding: bytes ?? [], as: UTF8.self).split(separator: "\n").compactMap { IPPrefix(String($0)) }
  }

  private static func choose(
    _ family: IPFamily, _ network: NetworkName, _ dataDir: String, _ hostPrefixes: [IPPrefix]
  ) throws(CNIError) -> IPPrefix? {
    let used = try hostPrefixes + prefixesOfOtherNetworks(network, dataDir)
    return UnusedSubnet.choose(family, avoiding: used, seed: FNV1a("\(dataDir)/\(network)").mixed)
  }

  /// The prefixes that other networks below `dataDir` have recorded or leased.
  private static func prefixesOfOtherNetworks(_ network: NetworkName, _ dataDir: String) throws(CNIError) -> [IPPrefix]
  {
    var used: Set<IPPrefix> = []
    let names = try withStoreErrors { () throws(KernelError) in try Files.list(dataDir) ?? [] }
    for name in names where name != network.description && NetworkName(name) != nil {
      // A file that is not a directory holds no leases.
      guard let leases = try? Files.list("\(dataDir)/\(name)") else { continue }
      for address in leases.compactMap(leasedAddress) {
        // Short prefixes that still tell candidates apart, so that 60,000 leases become few prefixes.
        used.insert(IPPrefix(address, length: address.family == .v4 ? 20 : 64)?.network ?? IPPrefix(host: address))
      }
    }
    let directory = directory(dataDir)
    let networks = try withStoreErrors { () throws(KernelError) in try directory.names(NetworkName.init) }
    for other in networks where other != network { used.formUnion(try recorded(other, in: directory)) }
    return Array(used)
  }
}
