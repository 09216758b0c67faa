public import CNI
import Kernel
import NetTypes

extension MainPlugin where Host: ~Copyable {
  public func delete(_ removal: Removal<Config>) throws(CNIError) {
    var problems: [CNIError] = []
    do throws(CNIError) {
      try remove(removal, collecting: &problems)
    } catch { problems.append(error) }
    // Only now, so that nobody gets an address that is still in use.
    do throws(CNIError) { try removal.delegates.forward(.del) } catch { problems.append(error) }
    if let error = CNIError(joining: problems) { throw error }
  }

  private func remove(_ removal: Removal<Config>, collecting problems: inout [CNIError]) throws(CNIError) {
    var kernel = try open(removal.namespacePath, removal.journal)
    if removal.namespacePath != nil {
      do throws(KernelError) {
        try removeInside(removal.owner, on: &kernel)
      } catch { problems.append(CNIError(error)) }
    }
    apply(driver.removal(of: removal.owner), on: &kernel, collecting: &problems)
  }

  /// Removes the container's interface, unless it is some other network's: DEL also follows an ADD that was refused.
  private func removeInside(_ owner: Owner, on kernel: inout TracingKernel<Host>) throws(KernelError) {
    guard let link = try kernel.link(owner.interface, on: .container), link.kind == Driver.linkKind else { return }
    if let peer = link.peer, let outside = try kernel.link(index: peer, on: .host), let alias = outside.alias,
      outside.kind == Driver.linkKind, alias.hasPrefix(Owner.tagPrefix), alias != owner.tag
    {
      return
    }
    try kernel.apply(.deleteLink(owner.interface, on: .container))
  }

  public func collectGarbage(
    _ network: Network<Config>, valid: Set<ValidAttachments.Attachment>
  ) throws(CNIError) {
    var problems: [CNIError] = []
    do throws(CNIError) {
      var kernel = try open(nil, network.journal)
      let garbage = try translating { () throws(KernelError) in
        try kernel.lockHost(exclusively: true)
        return try driver.garbage(of: network.name, network.config, valid: valid, on: &kernel)
      }
      apply(garbage, on: &kernel, collecting: &problems)
    } catch { problems.append(error) }
    do throws(CNIError) { try network.delegates.forward(.gc) } catch { problems.append(error) }
    if let error = CNIError(joining: problems) { throw error }
  }

  public func status(_ network: Network<Config>) throws(CNIError) {
    var kernel = try open(nil, network.journal)
    if let obstacle = try translating({ () throws(KernelError) in try driver.obstacle(network.config, on: &kernel) }) {
      throw CNIError(.notAvailable, obstacle)
    }
    try network.delegates.forward(.status)
  }

  private func apply(
    _ changes: [Change], on kernel: inout TracingKernel<Host>, collecting problems: inout [CNIError]
  ) {
    for change in changes {
      do throws(KernelError) { try kernel.apply(change) } catch { problems.append(CNIError(error)) }
    }
  }
}
