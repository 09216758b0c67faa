import CNI
public import Kernel

extension Call {
  /// Whether ADD only prints what it would do (`CNI_PLAN=1`).
  public var isDryRun: Bool { plan != nil }

  /// Adds lines to what `CNI_PLAN=1` prints; no-op for an ADD that is carried out.
  public func plan(_ lines: [String]) { plan?.add(lines) }

  /// What the kernel needs to write changes down; `nil` for an ADD that is carried out.
  func dryRun(peerPath: String? = nil) -> DryRun? {
    plan.map {
      DryRun(
        output: $0, writer: CommandLines(container: namespacePath, peerPath: peerPath),
        previous: previous ?? AddResult())
    }
  }

  /// The kernel with this call's journal; with `CNI_PLAN=1` its changes are only written down.
  public func prepared<K: Kernel & ~Copyable>(_ kernel: consuming K) -> K {
    kernel.journal = journal
    kernel.dryRun = dryRun()
    return kernel
  }
}

extension Removal {
  /// The kernel with this call's journal.
  public func prepared<K: Kernel & ~Copyable>(_ kernel: consuming K) -> K {
    kernel.journal = journal
    return kernel
  }
}
