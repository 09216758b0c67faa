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
    return try onHost { (kernel) throws(CNIError) in
      let input = try OverlayInput(network.config, control, of: network.name, for: .add, on: &kernel)
      return try apply(input, network, on: &kernel)
    }
  }

  /// Applies a state that was read before.
  func apply(
    _ controlState: ControlPlaneState, of network: OverlayNetwork, from local: IPAddress
  ) throws(CNIError) -> Int {
    let input = OverlayInput(network.config, local: local, controlState)
    return try onHost { (kernel) throws(CNIError) in try apply(input, network, on: &kernel) }
  }

  /// This host as the network's other hosts see it.
  func host(in network: OverlayNetwork) throws(CNIError) -> OverlayHost {
    let noControlPlane = EmptyControlPlane()
    let local = try onHost { (kernel) throws(CNIError) in
      try OverlayInput(network.config, noControlPlane, of: network.name, for: .add, on: &kernel).local
    }
    return try network.config.host(at: local)
  }

  private func apply(
    _ input: OverlayInput, _ network: OverlayNetwork, on kernel: inout LiveKernel
  ) throws(CNIError) -> Int {
    let settings = try OverlaySettings(input, RuntimeKeys(), CNIArguments(""))
    // The host must not change between the look and the changes.
    try convertingErrors { () throws(KernelError) in try kernel.lockHost(exclusively: true) }
    let reconciler = try convertingErrors { () throws(KernelError) in
      try OverlayReconciler(settings, of: network.name, on: &kernel)
    }
    let changes = try reconciler.changes()
    return try convertingErrors { () throws(KernelError) in
      var count = 0
      for change in changes {
        // Setting the same MAC address again would remove the device's neighbour entries for a moment.
        let differing = try differences(from: change, on: &kernel)
        guard !differing.isEmpty else { continue }
        count += differing.count
        try kernel.apply(change)
      }
      return count
    }
  }

  private func onHost<Value>(
    _ body: (inout LiveKernel) throws(CNIError) -> Value
  ) throws(CNIError) -> Value {
    let opened: LiveKernel
    do throws(KernelError) { opened = try LiveKernel.open(containerNamespace: nil, filter: HostFilter()) } catch {
      throw CNIError(error)
    }
    var kernel = opened
    return try body(&kernel)
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
