import CNI
import CNIRuntime
import Etcd
import HostFilter
import Kernel
import NetTypes
import Netlink
import Overlay
import PacketFilter
import PluginKit

/// Brings the devices of overlay networks on this host in line with their control planes.
struct OverlaySync<Store: EtcdStore & ~Copyable> {
  let control: EtcdControlPlane<Store>

  /// Reads the network's state from its control plane once, and applies it.
  ///
  /// - Returns: how many entries and routes differed.
  func sync(_ network: OverlayNetwork) throws(CNIError) -> Int {
    if let plane = network.etcdPlane, try !control.isRegistered(network.name, plane) { return 0 }
    let input = try onHost { (kernel) throws(CNIError) in
      try OverlayInput(network.config, control, of: network.name, for: .add, on: &kernel)
    }
    return try apply(input, network).count
  }

  /// Applies a state that was read before, and repairs what other programs have changed.
  func apply(
    _ controlState: ControlPlaneState, of network: OverlayNetwork, from local: IPAddress
  ) throws(CNIError) -> Applied {
    try apply(OverlayInput(network.config, local: local, controlState), network)
  }

  /// Writes the differences between two states, without reading entries; looks at the whole host if that is not enough.
  ///
  /// - Parameters:
  ///   - controlState: the newer state.
  ///   - last: what was applied last; `nil`: unknown.
  ///   - network: the network.
  ///   - local: this host's underlay address.
  /// - Returns: what was applied.
  /// - Throws: the error of the first change that failed; all changes are rolled back then.
  func apply(
    _ controlState: ControlPlaneState, after last: OverlayReconciler?, of network: OverlayNetwork, from local: IPAddress
  ) throws(CNIError) -> Applied {
    let input = OverlayInput(network.config, local: local, controlState)
    guard let last else { return try apply(input, network) }
    let settings = try OverlaySettings(input, RuntimeKeys(), CNIArguments(""))
    var transaction = try begin()
    let next = try convertingErrors { () throws(KernelError) in
      try last.followed(by: settings, on: &transaction.kernel)
    }
    guard let next else { return try apply(settings, network, in: transaction) }
    let changes = try last.changes(to: next)
    try carryingOut(in: &transaction) { (transaction) throws(KernelError) in
      for change in changes { try transaction.apply(change) }
    }
    try note(settings, of: network, on: &transaction)
    return Applied(count: changes.entryCount, state: next)
  }

  /// What was applied, and how many entries differed.
  struct Applied {
    var count: Int
    var state: OverlayReconciler
  }

  /// This host as the network's other hosts see it.
  func host(in network: OverlayNetwork) throws(CNIError) -> OverlayHost {
    let noControlPlane = EmptyControlPlane()
    let local = try onHost { (kernel) throws(CNIError) in
      try OverlayInput(network.config, noControlPlane, of: network.name, for: .add, on: &kernel).local
    }
    return try network.config.host(at: local)
  }

  private func apply(_ input: OverlayInput, _ network: OverlayNetwork) throws(CNIError) -> Applied {
    let settings = try OverlaySettings(input, RuntimeKeys(), CNIArguments(""))
    return try apply(settings, network, in: begin())
  }

  private func apply(
    _ settings: OverlaySettings, _ network: OverlayNetwork,
    in transaction: consuming Transaction<LiveKernel<HostFilter>>
  ) throws(CNIError) -> Applied {
    let state = try convertingErrors { () throws(KernelError) in
      try OverlayReconciler(settings, of: network.name, on: &transaction.kernel)
    }
    let changes = try state.changes()
    var count = 0
    try carryingOut(in: &transaction) { (transaction) throws(KernelError) in
      count = try apply(changes, in: &transaction)
    }
    try note(settings, of: network, on: &transaction)
    return Applied(count: count, state: state)
  }

  /// Tells policies on this host what other hosts have of the network.
  private func note(
    _ settings: OverlaySettings, of network: OverlayNetwork, on transaction: inout Transaction<LiveKernel<HostFilter>>
  ) throws(CNIError) {
    guard let far = settings.farNetwork(of: network.name) else { return }
    try convertingErrors { () throws(KernelError) in try transaction.kernel.filter.note(far, of: network.name) }
  }

  /// Locks the host, which must not change between the look and the changes.
  private func begin() throws(CNIError) -> Transaction<LiveKernel<HostFilter>> {
    var transaction = Transaction(try openHost())
    try convertingErrors { () throws(KernelError) in try transaction.kernel.lockHost(exclusively: true) }
    return transaction
  }

  /// Runs `body`; rolls back its changes if it fails.
  private func carryingOut(
    in transaction: inout Transaction<LiveKernel<HostFilter>>,
    _ body: (inout Transaction<LiveKernel<HostFilter>>) throws(KernelError) -> Void
  ) throws(CNIError) {
    do throws(KernelError) { try body(&transaction) } catch {
      for leftover in transaction.rollBack() { warn("not rolled back: \(leftover)") }
      throw CNIError(error)
    }
  }

  /// Makes the changes that differ from the host.
  ///
  /// - Returns: how many entries differed.
  private func apply(_ changes: [Change], in transaction: inout Transaction<LiveKernel<HostFilter>>) throws(KernelError)
    -> Int
  {
    var count = 0
    for change in changes {
      // Setting the same MAC address again would remove the device's neighbour entries for a moment.
      let differing = try differences(from: change, on: &transaction.kernel)
      guard !differing.isEmpty else { continue }
      count += differing.count
      try transaction.apply(change)
    }
    return count
  }

  private func onHost<Value>(
    _ body: (inout LiveKernel<HostFilter>) throws(CNIError) -> Value
  ) throws(CNIError) -> Value {
    var kernel = try openHost()
    return try body(&kernel)
  }

  private func openHost() throws(CNIError) -> LiveKernel<HostFilter> {
    do throws(KernelError) { return try LiveKernel.open(containerNamespace: nil, filter: HostFilter()) } catch {
      throw CNIError(error)
    }
  }
}

extension [Change] {
  /// The number of entries that the changes write; rules count as one.
  fileprivate var entryCount: Int {
    reduce(0) { count, change in
      if case .updateTunnelTables(let update) = change { count + update.changes.count } else { count + 1 }
    }
  }
}

/// A control plane without data, to find out only this host's address.
private struct EmptyControlPlane: ControlPlaneClient {
  func peers(inFile path: String) -> [OverlayPeer] { [] }

  func consult(
    _ plane: EtcdPlaneConfig, of network: NetworkName, as host: OverlayHost, for command: Command,
    _ check: (ControlPlaneState) throws(CNIError) -> Void
  ) -> ControlPlaneState { ControlPlaneState() }

  func publish(
    _ container: PublishedContainer, of owner: AttachmentID, _ plane: EtcdPlaneConfig, as host: OverlayHost
  ) {}

  func withdraw(_ owner: AttachmentID, _ plane: EtcdPlaneConfig) {}

  func collectGarbage(
    of network: NetworkName, _ plane: EtcdPlaneConfig, valid: Set<ValidAttachments.Attachment>
  ) {}

  func isWatched(_ network: NetworkName) -> Bool { false }
}
