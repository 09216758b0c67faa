public import CNI
import Linux
public import NetTypes

// What a plugin needs in addition to taking and releasing leases.

extension LeaseDirectory {
  public mutating func lastReserved(set: Int) throws(CNIError) -> IPAddress? {
    let name = "\(path)/last_reserved_ip.\(set)"
    let text = try storing { () throws(KernelError) in try Files.state(name) }
    return text.bytes.flatMap { IPAddress(String(decoding: $0, as: UTF8.self)) }
  }

  public mutating func allLeases() throws(CNIError) -> [Lease] {
    try storing { () throws(KernelError) in try LeaseDirectory.leases(in: path) ?? [] }
  }

  public mutating func deadLeases() throws(CNIError) -> [IPAddress] {
    let files = try storing { () throws(KernelError) in try Files.list(path) ?? [] }
    var survey = LeaseMark.Survey()
    var dead: [IPAddress] = []
    for address in files.compactMap(leasedAddress) where survey.isDead(leaseFile: file(address)) {
      dead.append(address)
    }
    return dead.sorted()
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
  /// `open` with its default arguments.
  public static func open(
    _ dataDir: String, _ network: NetworkName, _ making: Bool
  ) throws(CNIError) -> LeaseDirectory? {
    try open(dataDir: dataDir, network: network, making: making)
  }
}

/// Reads a text file.
///
/// - Throws: code 106.
public func fileText(_ path: String) throws(CNIError) -> String {
  try storing { () throws(KernelError) in
    // Opening a FIFO would block.
    guard try Files.status(path)?.isRegular != false else {
      throw KernelError("read \(path)", errno: .none, reason: "want a regular file")
    }
    return try naming(path) { () throws(KernelError) in String(decoding: try Files.read(path), as: UTF8.self) }
  }
}
