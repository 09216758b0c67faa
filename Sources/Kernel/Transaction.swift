public import NetTypes

/// The changes made so far for one ADD, with the rollback of each.
///
/// All changes of the host go through it, so that each of them can be rolled back.
public struct Transaction<K: Kernel & ~Copyable>: ~Copyable {
  public var kernel: K
  public private(set) var undoStack: [Change] = []
  private var created: Set<LinkKey> = []

  public init(_ kernel: consuming K) { self.kernel = kernel }

  /// Makes the change and records its rollback; in a dry run writes its commands down.
  public mutating func apply(_ change: Change) throws(KernelError) {
    if let dryRun = kernel.dryRun { return try kernel.write(change, dryRun) }
    // A change of several parts may fail half-way, so its rollback is recorded before it starts.
    let undo = try change.inverse(in: &self)
    if change.hasParts { undoStack += undo }
    try kernel.apply(change)
    if !change.hasParts { undoStack += undo }
    if case .createLink(let spec) = change { remember(spec) }
  }

  private mutating func remember(_ spec: LinkSpec) {
    created.insert(spec.key)
    if case .veth(let peer) = spec.kind { created.insert(LinkKey(peer.name, on: peer.netns)) }
  }

  /// Whether this transaction created that link.
  func isOurs(_ name: InterfaceName, on netns: NetNS) -> Bool { created.contains(LinkKey(name, on: netns)) }

  /// Whether the setting is one of a link that this transaction created.
  func isOfCreatedLink(_ setting: Sysctl, on netns: NetNS) -> Bool {
    created.contains { $0.netns == netns && setting.belongs(to: $0.name) }
  }

  /// Rolls back all changes, newest first; continues after errors.
  ///
  /// - Returns: the errors of changes that could not be rolled back.
  public mutating func rollBack() -> [KernelError] {
    var failures: [KernelError] = []
    var keepsRules = false
    while let change = undoStack.popLast() {
      // The rules to keep include the guard of 127.0.0.0/8; DEL removes them.
      if keepsRules, change.removesRules { continue }
      do throws(KernelError) { try kernel.apply(change) } catch {
        if case .disableRouteLocalnet = change { keepsRules = true }
        if !change.isAboutLinks || !error.meansAlreadyGone { failures.append(error) }
      }
    }
    return failures
  }
}

extension Change {
  /// Whether the change has no effect once its link is gone.
  fileprivate var isAboutLinks: Bool {
    switch self {
    case .addRules, .setRules, .updateRules, .removeRules, .removeStaleRules, .deleteConntrackEntries: false
    default: true
    }
  }

  /// Whether the change may remove packet filter rules.
  public var removesRules: Bool {
    switch self {
    case .removeRules, .removeStaleRules: true
    default: false
    }
  }

  /// Whether the kernel may have made a part of the change before an error.
  fileprivate var hasParts: Bool {
    switch self {
    case .setSysctls, .setTunnelTables, .updateTunnelTables, .setRules, .updateRules: true
    default: false
    }
  }
}

extension Sysctl {
  /// Whether the setting belongs to that interface.
  func belongs(to interface: InterfaceName) -> Bool {
    key.hasPrefix("net/ipv4/conf/\(interface)/") || key.hasPrefix("net/ipv6/conf/\(interface)/")
  }
}
