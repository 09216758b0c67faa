import CNI
import Kernel
import NetTypes
import Overlay
import PacketFilter
import PluginKit

/// Makes a container's interface a port of a bridge on the host; a VXLAN device connects that bridge with the other hosts'.
struct OverlayDriver: LinkDriver {
  typealias Config = OverlayConfig

  static let name = "overlay-vxlan"
  static let limitsConnections = true
  static let linkKind = "veth"

  func settings(
    _ input: OverlayInput, _ keys: RuntimeKeys, _ arguments: CNIArguments
  ) throws(CNIError) -> OverlaySettings {
    try OverlaySettings(input, keys, arguments)
  }

  func readHostState<K: Kernel & ~Copyable>(
    _ settings: OverlaySettings, owner: AttachmentID, families: Set<IPFamily>, at kernel: inout K
  ) throws(KernelError) -> OverlayHostState {
    var hostState = try OverlayHostState(settings, of: owner.network, on: &kernel)
    hostState.addressCheck = try settings.addressCheck.resolved(on: &kernel)
    // CHECK compares the published entries with the MAC address that the interface has now.
    hostState.changedMAC = try kernel.link(owner.interface, on: .container)?.mac
    if settings.isEVPN, !settings.derivesMAC, let mac = hostState.changedMAC { hostState.containerMAC = mac }
    return hostState
  }

  func networkLinks(_ settings: OverlaySettings, of network: NetworkName) -> [InterfaceName] {
    let names = settings.names(of: network)
    return [names.bridge, names.vxlan]
  }

  func farNetwork(_ settings: OverlaySettings, of network: NetworkName) -> FarNetwork? {
    settings.farNetwork(of: network)
  }

  func plan(
    _ settings: OverlaySettings, _ hostState: OverlayHostState, owner: AttachmentID, namespacePath: String,
    addresses: AddResult
  ) throws(CNIError) -> AttachmentPlan {
    try OverlayPlanner(settings, hostState, owner: owner, sandbox: namespacePath, addresses: addresses).plan()
  }

  func removal<K: Kernel & ~Copyable>(
    of owner: AttachmentID, _ config: OverlayConfig?, on kernel: inout K
  ) throws(KernelError) -> [Change] {
    try kernel.hostInterfaceRemoval(of: owner) + [
      .removeRules(owner, .network, everywhere: config?.wantsRules ?? true),
      .removeRules(owner, .guards, everywhere: config?.wantsGuards ?? true),
      .removeRules(owner, .policies, everywhere: config.map { $0.policy != nil } ?? true),
    ]
  }

  func garbage<K: Kernel & ~Copyable>(
    of network: NetworkName, _ config: OverlayConfig, valid: Set<ValidAttachments.Attachment>, on kernel: inout K
  ) throws(KernelError) -> [Change] {
    let owners = Set(valid.map { AttachmentID(network: network, container: $0.containerID, interface: $0.ifname) })
    let ends = try kernel.staleHostInterfaces(of: network, kind: Self.linkKind, valid: owners).map { $0.name }
    var strays: [Change] = []
    if config.controlPlane.isEVPN {
      strays = try kernel.strayNeighbours(of: config.names(of: network).bridge, without: Set(ends))
    }
    // Without valid attachments the rules to remove include those for containers that the tunnel leads to.
    let devices = valid.isEmpty ? try kernel.overlayDevices(of: network, config) : []
    return strays + ends.map { .deleteLink($0, on: .host) } + devices + [
      .removeStaleRules(network, .network, valid: owners, everywhere: config.wantsRules),
      .removeStaleRules(network, .guards, valid: owners, everywhere: config.wantsGuards),
      .removeStaleRules(network, .policies, valid: owners, everywhere: config.policy != nil),
    ]
  }

  func obstacle<K: Kernel & ~Copyable>(_ config: OverlayConfig, on kernel: inout K) throws(KernelError) -> String? {
    if config.ipspoofchk == true || config.policy != nil, let obstacle = kernel.filter.obstacle(.nftables) {
      return obstacle
    }
    if config.masquerade.isOn, let drop = try kernel.filter.drop(ofEvery: .outbound) { return drop }
    return config.wantsRules ? kernel.filter.obstacle(config.masquerade.anyBackend) : nil
  }
}
