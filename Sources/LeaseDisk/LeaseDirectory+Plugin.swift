public import CNI
public import IPAM
import Kernel
import Linux
public import NetTypes

// What a plugin needs besides the leases themselves.

extension LeaseDirectory {
  public mutating func lastReserved(set: Int) throws(CNIError) -> IPAddress? {
    let name = "\(path)/last_reserved_ip.\(set)"
    let text = try storing { () throws(KernelError) in
      try naming(name) { () throws(KernelError) in try Files.readIfPresent(name) }
    }
    return text.flatMap { IPAddress(String(decoding: $0, as: UTF8.self)) }
  }

  public mutating func allLeases() throws(CNIError) -> [Lease] {
    try storing { () throws(KernelError) in try LeaseDirectory.leases(in: path) ?? [] }
  }

  public mutating func deadLeases() throws(CNIError) -> [IPAddress] {
    let files = try storing { () throws(KernelError) in try Files.list(path) ?? [] }
    let survey = LeaseMark.Survey()
    return files.compactMap { leasedAddress($0) }.filter { survey.isDead(leaseFile: "\(path)/\($0)") }.sorted()
  }

  public mutating func remembered(_ name: StickyName) throws(CNIError) -> [IPAddress] {
    try storing { () throws(KernelError) in try sticky.addresses(of: name) }
  }

  public mutating func rememberer(of address: IPAddress) throws(CNIError) -> StickyName? {
    try storing { () throws(KernelError) in try sticky.name(of: address) }
  }

  public mutating func remember(_ addresses: [IPAddress], for name: StickyName) throws(CNIError) {
    try storing { () throws(KernelError) in
      try naming(sticky.directory) { () throws(KernelError) in try sticky.remember(addresses, for: name) }
    }
  }
}

extension LeaseDirectory {
  /// As the other `open`, with its defaults.
  public static func open(
    _ dataDir: String, _ network: NetworkName, _ making: Bool
  ) throws(CNIError) -> LeaseDirectory? {
    try open(dataDir: dataDir, network: network, making: making)
  }
}

/// A text file's content.
///
/// - Throws: code 106.
public func fileText(_ path: String) throws(CNIError) -> String {
  try storing { () throws(KernelError) in
    try naming(path) { () throws(KernelError) in String(decoding: try Files.read(path), as: UTF8.self) }
  }
}
