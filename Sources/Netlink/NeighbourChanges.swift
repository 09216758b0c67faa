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
    for change in wanted.changes(from: try tunnelTables(like: wanted)) {
      do throws(KernelError) { try carryOut(change) } catch  where change.isRemoval && error.meansAlreadyGone {}
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

extension Change {
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
