import CNI
import CNIRuntime
import Etcd
import HostFilter
import Kernel
import NetTypes
import Netlink
import Overlay
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
    return try apply(input, network)
  }

  /// Applies a state that was read before.
  func apply(
    _ controlState: ControlPlaneState, of network: OverlayNetwork, from local: IPAddress
  ) throws(CNIError) -> Int {
    let input = OverlayInput(network.config, local: local, controlState)
    return try apply(input, network)
  }

  /// This host as the network's other hosts see it.
  func host(in network: OverlayNetwork) throws(CNIError) -> OverlayHost {
    let noControlPlane = EmptyControlPlane()
    let local = try onHost { (kernel) throws(CNIError) in
      try OverlayInput(network.config, noControlPlane, of: network.name, for: .add, on: &kernel).local
    }
    return try network.config.host(at: local)
  }

  private func apply(_ input: OverlayInput, _ network: OverlayNetwork) throws(CNIError) -> Int {
    let settings = try OverlaySettings(input, RuntimeKeys(), CNIArguments(""))
    var transaction = Transaction(try openHost())
    // The host must not change between the look and the changes.
    try convertingErrors { () throws(KernelError) in try transaction.kernel.lockHost(exclusively: true) }
    let reconciler = try convertingErrors { () throws(KernelError) in
      try OverlayReconciler(settings, of: network.name, on: &transaction.kernel)
    }
    let changes = try reconciler.changes()
    do throws(KernelError) { return try apply(changes, in: &transaction) } catch {
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

/// A control plane without data, to find out only this host's address.
private struct EmptyControlPlane: ControlPlaneClient {
  func peers(inFile path: String) -> [OverlayPeer] { [] }

  func consult(
    _ plane: EtcdPlaneConfig, of network: NetworkName, as host: OverlayHost, for command: Command,
    _ check: (ControlPlaneState) throws(CNIError) -> Void
  ) -> ControlPlaneState { ControlPlaneState() }

  func publish(_ endpoints: [OverlayEndpoint], of owner: AttachmentID, _ plane: EtcdPlaneConfig, as host: OverlayHost) {
  }

  func withdraw(_ owner: AttachmentID, _ plane: EtcdPlaneConfig) {}

  func collectGarbage(
    of network: NetworkName, _ plane: EtcdPlaneConfig, valid: Set<ValidAttachments.Attachment>
  ) {}

  func isWatched(_ network: NetworkName) -> Bool { false }
}
