public import CNI
public import Kernel
public import NetTypes

extension MainPlugin where Host: ~Copyable {
  /// Removes everything of the attachment; continues after errors.
  ///
  /// - Parameters:
  ///   - removal: the call of DEL.
  ///   - staleEntries: the changes that DEL makes first on the host, found by dumping its entries; if it throws, the
  ///     error is reported and the driver's changes are made nevertheless.
  ///   - withdraw: undoes what ADD published to other hosts, before the addresses are released.
  /// - Throws: all errors as one.
  public func delete(
    _ removal: Removal<Config>, staleEntries: (inout Host) throws(KernelError) -> [Change],
    withdraw: () throws(CNIError) -> Void
  ) throws(CNIError) {
    var problems: [CNIError] = []
    let isReturnedThroughLink = removal.delegates.ipam?.needsLink == true
    if isReturnedThroughLink { attempt(&problems) { () throws(CNIError) in try removal.delegates.forward(.del) } }
    attempt(&problems) { () throws(CNIError) in try remove(removal, staleEntries) }
    attempt(&problems, withdraw)
    // Releases the addresses last, so that no other container gets one that is still in use.
    if !isReturnedThroughLink { attempt(&problems) { () throws(CNIError) in try removal.delegates.forward(.del) } }
    if let error = CNIError(joining: problems) { throw error }
  }

  private func remove(
    _ removal: Removal<Config>, _ staleEntries: (inout Host) throws(KernelError) -> [Change]
  ) throws(CNIError) {
    var kernel = try openForRemoval(removal.namespacePath, removal.config, removal.journal)
    var problems: [CNIError] = []
    if removal.namespacePath != nil {
      do throws(KernelError) {
        try removeInside(removal.owner, on: &kernel)
      } catch { problems.append(CNIError(error)) }
    }
    let isLeftInside = !problems.isEmpty
    attempt(&problems) { () throws(CNIError) in
      try kernel.applyAll(try convertingErrors { () throws(KernelError) in try staleEntries(&kernel) })
    }
    attempt(&problems) { () throws(CNIError) in
      let leftovers = try convertingErrors { () throws(KernelError) in
        try driver.removal(of: removal.owner, removal.config, on: &kernel)
      }
      // Without an end on the host, the link that could not be removed in the container is still there.
      let hasHostEnd = leftovers.contains { if case .deleteLink(_, on: .host) = $0 { true } else { false } }
      try kernel.applyAll(leftovers, keepsRules: isLeftInside && !hasHostEnd)
    }
    if let error = CNIError(joining: problems) { throw error }
  }

  /// Opens the kernel; if the peer container's namespace is gone, its end is gone too, and only the host is left.
  private func openForRemoval(
    _ path: String?, _ config: Config?, _ journal: Journal?
  ) throws(CNIError) -> Host {
    do throws(CNIError) { return try open(container: path, config, journal) } catch {
      guard config.flatMap(peer) != nil else { throw error }
      return try open(container: path, nil, journal)
    }
  }

  /// Removes the container's interface, unless it is another network's: DEL also follows an ADD that failed.
  private func removeInside(_ owner: AttachmentID, on kernel: inout Host) throws(KernelError) {
    // A killed ADD may have left it under its temporary name.
    let temporaryName = owner.interface.temporaryName
    if try kernel.link(temporaryName, on: .container)?.kind == Driver.linkKind {
      try kernel.apply(.deleteLink(temporaryName, on: .container))
    }
    guard let link = try kernel.link(owner.interface, on: .container), link.kind == Driver.linkKind else { return }
    // A link without a peer has the alias itself.
    if let alias = link.alias, alias.hasPrefix(AttachmentID.tagPrefix), alias != owner.tag { return }
    if link.alias != owner.tag, let peer = link.peerIndex, let hostEnd = try kernel.link(index: peer, on: .host),
      let alias = hostEnd.alias,
      hostEnd.kind == Driver.linkKind, alias.hasPrefix(AttachmentID.tagPrefix), alias != owner.tag
    {
      return
    }
    try kernel.apply(.deleteLink(owner.interface, on: .container))
  }

  /// Removes everything of attachments that are not in `valid`; continues after errors.
  ///
  /// - Parameters:
  ///   - network: the call of GC.
  ///   - valid: the attachments to keep.
  ///   - withdraw: undoes what was published to other hosts for the others.
  /// - Throws: all errors as one.
  public func collectGarbage(
    _ network: NetworkCall<Config>, valid: Set<ValidAttachments.Attachment>, withdraw: () throws(CNIError) -> Void
  ) throws(CNIError) {
    var problems: [CNIError] = []
    attempt(&problems) { () throws(CNIError) in
      var kernel = try openForRemoval(nil, network.config, network.journal)
      let garbage = try convertingErrors { () throws(KernelError) in
        try kernel.lockHost(exclusively: true)
        return try driver.garbage(of: network.name, network.config, valid: valid, on: &kernel)
      }
      try kernel.applyAll(garbage)
    }
    attempt(&problems, withdraw)
    attempt(&problems) { () throws(CNIError) in try network.delegates.forward(.gc) }
    if let error = CNIError(joining: problems) { throw error }
  }

  /// Opens the kernel and checks for STATUS that an ADD can succeed on this host.
  ///
  /// - Throws: code 50 if it cannot.
  public func openForStatus(_ network: NetworkCall<Config>) throws(CNIError) -> Host {
    var kernel: Host
    do throws(CNIError) { kernel = try open(container: nil, network.config, network.journal) } catch {
      throw CNIError(.notAvailable, error.message, details: error.details)
    }
    if let obstacle = try convertingErrors({ () throws(KernelError) in try driver.obstacle(network.config, on: &kernel)
    }) {
      throw CNIError(.notAvailable, obstacle)
    }
    try checkIPv6(network, on: &kernel)
    return kernel
  }
}
