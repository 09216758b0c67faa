public import NetTypes

extension Kernel where Self: ~Copyable {
  /// Carries a change out; again if the kernel's answer was lost and the change was not made.
  ///
  /// - Parameters:
  ///   - change: the change.
  ///   - carryOut: makes the change.
  /// - Throws: the error of `carryOut`.
  public mutating func settle(
    _ change: Change, by carryOut: (inout Self) throws(KernelError) -> Void
  ) throws(KernelError) {
    do throws(KernelError) { return try carryOut(&self) } catch {
      guard error.isLostAnswer, change.isOfNetlink else { throw error }
    }
    if change.isVisible, try differences(from: change, on: &self).isEmpty { return }
    do throws(KernelError) { try carryOut(&self) } catch {
      guard change.isRemoval, error.meansAlreadyGone else { throw error }
    }
  }
}

extension Change {
  /// Whether the change is made through rtnetlink(7), where an answer can be lost.
  fileprivate var isOfNetlink: Bool {
    switch self {
    case .addRules, .setRules, .updateRules, .removeRules, .removeStaleRules, .removeReferencePluginRules,
      .deleteConntrackEntries, .awaitRunning, .awaitDAD, .awaitFDBRemoval, .setSysctls:
      false
    default: true
    }
  }

  /// Whether the state of the host shows that the change was made.
  fileprivate var isVisible: Bool {
    switch self {
    case .createLink, .changeLink, .setVLANs, .addAddress, .deleteAddress, .addRoute, .setTunnelTables,
      .updateTunnelTables,
      .setFDB, .setChecksumOffload:
      true
    case .setNeighbour(let spec): spec.mac != nil && spec.netns == .host
    default: false
    }
  }

  fileprivate var isRemoval: Bool {
    switch self {
    case .deleteAddress, .deleteRoute, .deleteNeighbour, .deleteFDB, .deleteLink, .deleteUnusedBridge,
      .deleteUnroutedLink:
      true
    default: false
    }
  }
}
