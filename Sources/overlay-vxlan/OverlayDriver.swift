import CNI
import Kernel
import NetTypes
import Overlay
import PacketFilter
import PluginKit

/// Makes a container's interface a port of a bridge on the host; a VXLAN device connects that bridge with the other hosts'.
struct OverlayDriver<Control: ControlPlaneClient>: LinkDriver {
  static var name: String { "overlay-vxlan" }
  static var linkKind: String { "veth" }

  /// The control plane of the network.
  var control: Control

  func withControlPlaneData<K: Kernel & ~Copyable>(
    _ config: OverlayConfig, of network: NetworkName, for command: Command, on kernel: inout K
  ) throws(CNIError) -> OverlayConfig {
    let completed = try config.completed(control, of: network, for: command, on: &kernel)
    guard command == .status else { return completed }
    let settings = try OverlaySettings(completed, RuntimeKeys(), CNIArguments(""))
    let (obstacle, mtuExcess) = try convertingErrors { () throws(KernelError) in
      let reconciler = try OverlayReconciler(settings, of: network, on: &kernel)
      return (try reconciler.obstacle(on: &kernel), try reconciler.mtuExcess(on: &kernel))
    }
    if let obstacle { throw CNIError(.notAvailable, obstacle) }
    if let mtuExcess { throw mtuExcess }
    if let lack = kernel.filter.obstacle(.nftables) {
      warn("dstport \(settings.tunnel.port): VXLAN packets of containers and unknown hosts are not dropped: \(lack)")
    }
    return completed
  }

  func withPlaceholderData(_ config: OverlayConfig) -> OverlayConfig { config.withPlaceholderData }

  func ipamInput(_ config: OverlayConfig) -> JSONValue? { config.ipamInput }

  func settings(
    _ config: OverlayConfig, _ keys: RuntimeKeys, _ arguments: CNIArguments
  ) throws(CNIError) -> OverlaySettings {
    try OverlaySettings(config, keys, arguments)
  }

  func readHostState<K: Kernel & ~Copyable>(
    _ settings: OverlaySettings, owner: AttachmentID, at kernel: inout K
  ) throws(KernelError) -> OverlayHostState {
    var hostState = try OverlayHostState(settings, of: owner.network, on: &kernel)
    hostState.addressCheck = try settings.addressCheck.resolved(on: &kernel)
    // CHECK compares the published entries with the MAC address that the interface has now.
    hostState.changedMAC = try kernel.link(owner.interface, on: .container)?.mac
    if settings.isEVPN, !settings.derivesMAC, let mac = hostState.changedMAC { hostState.containerMAC = mac }
    return hostState
  }

  func plan(
    _ settings: OverlaySettings, _ hostState: OverlayHostState, owner: AttachmentID, namespacePath: String,
    addresses: AddResult
  ) throws(CNIError) -> AttachmentPlan {
    try OverlayPlanner(settings, hostState, owner: owner, sandbox: namespacePath, addresses: addresses).plan()
  }

  func publish(_ config: OverlayConfig, _ owner: AttachmentID, _ result: AddResult) throws(CNIError) {
    guard case .etcd(let plane) = config.controlPlane, let localEndpoint = config.localEndpoint else { return }
    let host = try config.host(at: localEndpoint.local)
    guard host.mode == .l2 else { return }
    let endpoints = result.ips.compactMap { ip in
      ip.interface.flatMap { result.interfaces[$0].mac }.flatMap(MACAddress.init)
        .map { OverlayEndpoint(ip.address.address, $0) }
    }
    try control.publish(endpoints, of: owner, plane, as: host)
  }

  func withdraw(_ config: OverlayConfig, _ owner: AttachmentID) throws(CNIError) {
    guard case .etcd(let plane) = config.controlPlane, try config.checkedMode() == .l2 else { return }
    try control.withdraw(owner, plane)
  }

  func withdrawOthers(
    _ config: OverlayConfig, of network: NetworkName, valid: Set<ValidAttachments.Attachment>
  ) throws(CNIError) {
    guard case .etcd(let plane) = config.controlPlane else { return }
    try control.collectGarbage(of: network, plane, valid: valid)
  }

  func staleEntryRemoval<K: Kernel & ~Copyable>(
    of owner: AttachmentID, _ config: OverlayConfig?, on kernel: inout K
  ) throws(KernelError) -> [Change] {
    guard config?.controlPlane.isEVPN ?? true else { return [] }
    let names = config?.names(of: owner.network) ?? OverlayNames(owner.network)
    return try kernel.strayNeighbours(of: names.bridge, without: [owner.hostInterface])
  }

  func removal<K: Kernel & ~Copyable>(
    of owner: AttachmentID, _ config: OverlayConfig?, on kernel: inout K
  ) throws(KernelError) -> [Change] {
    try kernel.hostInterfaceRemoval(of: owner) + [
      .removeRules(owner, .network, everywhere: config?.wantsRules ?? true),
      .removeRules(owner, .guards, everywhere: config?.wantsGuards ?? true),
    ]
  }

  func garbage<K: Kernel & ~Copyable>(
    of network: NetworkName, _ config: OverlayConfig, valid: Set<ValidAttachments.Attachment>, on kernel: inout K
  ) throws(KernelError) -> [Change] {
    let owners = Set(valid.map { AttachmentID(network: network, container: $0.containerID, interface: $0.ifname) })
    let ends = try kernel.staleHostInterfaces(of: network, kind: Self.linkKind, valid: owners).map(\.name)
    var strays: [Change] = []
    if config.controlPlane.isEVPN {
      strays = try kernel.strayNeighbours(of: config.names(of: network).bridge, without: Set(ends))
    }
    return strays + ends.map { .deleteLink($0, on: .host) }
      + [
        .removeStaleRules(network, .network, valid: owners, everywhere: config.wantsRules),
        .removeStaleRules(network, .guards, valid: owners, everywhere: config.wantsGuards),
      ]
      + (valid.isEmpty ? try kernel.overlayDevices(of: network, config) : [])
  }

  func obstacle<K: Kernel & ~Copyable>(_ config: OverlayConfig, on kernel: inout K) throws(KernelError) -> String? {
    if config.ipspoofchk == true, let obstacle = kernel.filter.obstacle(.nftables) { return obstacle }
    if config.masquerade.isOn, let drop = try kernel.filter.drop(ofEvery: .outbound) { return drop }
    return config.wantsRules ? kernel.filter.obstacle(config.masquerade.anyBackend) : nil
  }
}
