import Kernel
import Linux
import NetTypes

extension LiveKernel {
  mutating func deleteNeighbour(_ spec: NeighbourSpec, doing operation: String) throws(KernelError) {
    guard let link = try link(spec.interface, on: spec.netns) else { return }
    do throws(KernelError) {
      try perform(.delete(spec, index: link.index), on: spec.netns)
    } catch  where error.errno == .ENOENT {}
  }

  mutating func setTunnelTables(_ wanted: TunnelTables) throws(KernelError) {
    try write(wanted.changes(from: try tunnelTables(like: wanted)))
  }

  /// Writes entries of tables, many in one message; an entry that is so already, or gone already, is no error.
  mutating func write(_ entries: [Change]) throws(KernelError) {
    var requests: [(entry: Change, index: Int32)] = []
    for entry in entries {
      guard let link = entry.entryLink else { continue }
      do throws(KernelError) {
        requests.append((entry, try index(of: link, on: .host, for: "\(entry)")))
      } catch  where entry.isRemoval && error.meansAlreadyGone {}
    }
    try host.socket.perform(count: requests.count) { (number) throws(KernelError) in
      try .entry(requests[number].entry, index: requests[number].index)
    } isAccepted: { number, error in
      requests[number].entry.isRemoval ? error.meansAlreadyGone : requests[number].entry.isPresent(after: error)
    }
  }

  /// Waits up to a second until another program has deleted the FDB entry; no error if the entry stays.
  mutating func awaitFDBRemoval(_ spec: FDBSpec) throws(KernelError) {
    guard let link = try link(spec.interface, on: .host) else { return }
    let deadline = Clock.now.advanced(bySeconds: 1)
    while try host.socket.fdbEntries(of: link).contains(spec), Clock.now < deadline {
      Clock.sleep(milliseconds: 10)
    }
  }
}

extension Request {
  /// The request for one entry of a table.
  fileprivate static func entry(_ change: Change, index: Int32) throws(KernelError) -> Request {
    switch change {
    case .addRoute(let spec): try add(spec, index: index)
    case .deleteRoute(let spec): try delete(spec, index: index)
    case .setNeighbour(let spec): try set(spec, index: index)
    case .deleteNeighbour(let spec): try delete(spec, index: index)
    case .setFDB(let spec): try set(spec, index: index)
    case .deleteFDB(let spec): try delete(spec, index: index)
    default: throw KernelError("\(change)", errno: .EINVAL, reason: "it is no entry of a table")
    }
  }
}

extension Change {
  /// The link on the host that the entry belongs to; `nil` if it is no entry of a table.
  fileprivate var entryLink: InterfaceName? {
    switch self {
    case .addRoute(let spec), .deleteRoute(let spec): spec.interface
    case .setNeighbour(let spec), .deleteNeighbour(let spec): spec.interface
    case .setFDB(let spec), .deleteFDB(let spec): spec.interface
    default: nil
    }
  }

  /// Whether this error means that the kernel has the same route; other entries are replaced.
  fileprivate func isPresent(after error: KernelError) -> Bool {
    if case .addRoute = self { error.errno == .EEXIST } else { false }
  }

  fileprivate var isRemoval: Bool {
    switch self {
    case .deleteRoute, .deleteFDB, .deleteNeighbour: true
    default: false
    }
  }
}

extension KernelError {
  /// Whether the object to delete is gone already, with its link or by another process.
  fileprivate var meansAlreadyGone: Bool { errno.isOne(of: .ENOENT, .ESRCH, .ENODEV) }
}
