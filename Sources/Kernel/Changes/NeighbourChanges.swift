public import NetTypes

/// Equals `ip neighbour replace`.
struct SetNeighbour: CustomStringConvertible {
  let spec: NeighbourSpec

  var description: String {
    "set neighbour \(spec.address) \(spec.mac?.description ?? "proxy") on \(spec.interface)\(spec.netns.suffix)"
  }

  func inverse<K: Kernel & ~Copyable>(in transaction: inout Transaction<K>) throws(KernelError) -> [Change] {
    transaction.isOurs(spec.interface, on: spec.netns) ? [] : [.deleteNeighbour(spec)]
  }

  func differences<K: Kernel & ~Copyable>(on kernel: inout K) throws(KernelError) -> [String] {
    guard spec.mac != nil, spec.netns == .host else { return [] }
    let actual = try nilIfLinkMissing { () throws(KernelError) in try kernel.neighbours(of: spec.interface) }
    return actual?.contains { $0.address == spec.address } == true
      ? [] : ["neighbour \(spec.address) is missing on \(spec.interface)"]
  }
}

/// Equals `ip neighbour delete`.
struct DeleteNeighbour: CustomStringConvertible {
  let spec: NeighbourSpec

  var description: String { "delete neighbour \(spec.address) on \(spec.interface)\(spec.netns.suffix)" }

  func inverse<K: Kernel & ~Copyable>(in transaction: inout Transaction<K>) throws(KernelError) -> [Change] {
    spec.isAnyEntry ? [] : [.setNeighbour(spec)]
  }
}

extension Change {
  /// Deletes the neighbour entry of an address on that link of the host, and packets that wait in it for ARP or NDP.
  ///
  /// The packet filter has let these packets pass already.
  public static func forgetNeighbour(_ address: IPAddress, on link: InterfaceName) -> Change {
    // Without a MAC address this would be a proxy entry.
    .deleteNeighbour(NeighbourSpec(address, mac: MACAddress(value: 0), on: link, .host))
  }
}

extension NeighbourSpec {
  /// Whether it stands for the entry of its address with any MAC address.
  var isAnyEntry: Bool { mac?.isZero == true }
}

/// Equals `bridge fdb replace`.
struct SetFDB: CustomStringConvertible {
  let spec: FDBSpec

  var description: String { "set forwarding entry \(spec)" }

  func inverse<K: Kernel & ~Copyable>(in transaction: inout Transaction<K>) throws(KernelError) -> [Change] {
    transaction.isOurs(spec.interface, on: .host) ? [] : [.deleteFDB(spec)]
  }

  func differences<K: Kernel & ~Copyable>(on kernel: inout K) throws(KernelError) -> [String] {
    let actual = try nilIfLinkMissing { () throws(KernelError) in try kernel.fdbEntries(of: spec.interface) }
    // Linux < 4.20 has no sticky entries.
    let accepted = spec.table == .port ? [spec, FDBSpec(spec.mac, on: spec.interface, in: .master)] : [spec]
    return actual?.contains(where: accepted.contains) == true
      ? [] : ["forwarding entry \(spec.mac) is missing on \(spec.interface)"]
  }
}

/// Equals `bridge fdb delete`.
struct DeleteFDB: CustomStringConvertible {
  let spec: FDBSpec

  var description: String { "delete forwarding entry \(spec)" }

  func inverse<K: Kernel & ~Copyable>(in transaction: inout Transaction<K>) throws(KernelError) -> [Change] {
    [.setFDB(spec)]
  }
}

/// Waits until a routing daemon has removed an FDB entry.
struct AwaitFDBRemoval: CustomStringConvertible {
  let spec: FDBSpec

  var description: String { "wait until a routing daemon has removed forwarding entry \(spec)" }

  func differences<K: Kernel & ~Copyable>(on kernel: inout K) throws(KernelError) -> [String] {
    let actual = try nilIfLinkMissing { () throws(KernelError) in try kernel.fdbEntries(of: spec.interface) }
    return actual?.contains(spec) == true ? ["forwarding entry \(spec.mac) is still on \(spec.interface)"] : []
  }
}

/// Writes the differences between a VXLAN device's tables and these.
struct SetTunnelTables: CustomStringConvertible {
  let wanted: TunnelTables

  var description: String {
    "set \(wanted.fdbEntries.count) forwarding entries, \(wanted.neighbours.count) neighbours, \(wanted.routes.count) routes of \(wanted.device)"
  }

  func inverse<K: Kernel & ~Copyable>(in transaction: inout Transaction<K>) throws(KernelError) -> [Change] {
    // Entries on other links are not deleted with the device.
    let isDeletedWithDevice =
      transaction.isOurs(wanted.device, on: .host) && transaction.isOurs(wanted.neighbourLink, on: .host)
      && wanted.directRoutes.isEmpty
    return isDeletedWithDevice ? [] : [.setTunnelTables(try transaction.kernel.tunnelTables(like: wanted))]
  }

  func differences<K: Kernel & ~Copyable>(on kernel: inout K) throws(KernelError) -> [String] {
    let found = try nilIfLinkMissing { () throws(KernelError) in try kernel.tunnelTables(like: wanted) }
    return wanted.changes(from: found ?? TunnelTables(of: wanted.device)).map { "want: \($0)" }
  }

  func isMade<K: Kernel & ~Copyable>(on kernel: inout K) throws(KernelError) -> Bool {
    let found = try nilIfLinkMissing { () throws(KernelError) in try kernel.tunnelTables(like: wanted) }
    return found.map { wanted.changes(from: $0).isEmpty } ?? wanted.isEmpty
  }
}

/// Writes the entries in which two states of a VXLAN device's tables differ.
struct UpdateTunnelTables: CustomStringConvertible {
  let update: TunnelTablesUpdate

  var description: String { "change \(update.changes.count) entries of \(update.new.device)" }

  func inverse<K: Kernel & ~Copyable>(in transaction: inout Transaction<K>) throws(KernelError) -> [Change] {
    [.updateTunnelTables(update.inverse)]
  }

  func differences<K: Kernel & ~Copyable>(on kernel: inout K) throws(KernelError) -> [String] {
    let found = try nilIfLinkMissing { () throws(KernelError) in try kernel.tunnelTables(like: update.new) }
    return update.left(in: found ?? TunnelTables(of: update.new.device)).map { "want: \($0)" }
  }
}

extension FDBSpec: CustomStringConvertible {
  public var description: String {
    if case .tunnel(let end) = table { "\(mac) to \(end) on \(interface)" } else { "\(mac) on \(interface)" }
  }
}
