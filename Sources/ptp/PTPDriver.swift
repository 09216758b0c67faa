import CNI
import Kernel
import NetTypes
import PacketFilter
import PluginKit

/// The present state of the host, or of the peer namespace in its place, as far as an attachment depends on it.
struct PTPHostState: Equatable {
  /// The MTU of the host's default route's interface, in bytes; `nil` without such a route.
  var uplinkMTU: Int?
  /// Whether the peer has an interface of that name that is not this attachment's other end.
  var peerNameIsTaken = false
  /// Links that lose routes of router advertisements if the host forwards IPv6.
  var advertisedLinks: [InterfaceName] = []
  /// Random for each call; used if nothing else determines the address.
  var peerMAC = MACAddress.random()
  var containerMAC = MACAddress.random()
}

/// The container's interface as one end of a veth pair; the other end is a router on the host or in another container.
///
/// The other end has the gateway's address as a /32 or /128, so that many attachments can have the same gateway.
struct PTPDriver: LinkDriver {
  static let name = "ptp"
  static let linkKind = "veth"

  func settings(
    _ config: PTPConfig, _ keys: RuntimeKeys, _ arguments: CNIArguments
  ) throws(CNIError) -> PTPSettings {
    try PTPSettings(config, keys, arguments)
  }

  func readHostState<K: Kernel & ~Copyable>(
    _ settings: PTPSettings, owner: AttachmentID, families: Set<IPFamily>, at kernel: inout K
  ) throws(KernelError) -> PTPHostState {
    var hostState = PTPHostState()
    if settings.forwards, families.contains(.v6) {
      hostState.advertisedLinks = try kernel.linksThatLoseAdvertisedRoutes()
    }
    if settings.peer == nil {
      hostState.uplinkMTU = settings.mtu == nil ? try kernel.uplink(on: .host)?.mtu : nil
    } else if let existing = try kernel.link(settings.peerEndName(owner), on: .host), existing.alias != owner.tag {
      // If the container's end exists, this is CHECK, and the interface with that name is the other end.
      hostState.peerNameIsTaken = try kernel.link(owner.interface, on: .container) == nil
    }
    return hostState
  }

  func plan(
    _ settings: PTPSettings, _ hostState: PTPHostState, owner: AttachmentID, namespacePath: String, addresses: AddResult
  ) throws(CNIError) -> AttachmentPlan {
    try PTPPlanner(settings: settings, hostState: hostState, owner: owner, sandbox: namespacePath, addresses: addresses)
      .plan()
  }

  func removal<K: Kernel & ~Copyable>(
    of owner: AttachmentID, _ config: PTPConfig?, on kernel: inout K
  ) throws(KernelError) -> [Change] {
    var changes = try kernel.hostInterfaceRemoval(of: owner)
    // Interfaces in a peer namespace can have any name; only the alias shows that one is ours.
    if config?.peerPath != nil, let name = config?.peerInterface,
      try kernel.link(name, on: .host)?.alias == owner.tag
    {
      changes.append(.deleteLink(name, on: .host))
    }
    return changes + [.removeRules(owner, .network, everywhere: config?.wantsRules ?? true)]
  }

  func garbage<K: Kernel & ~Copyable>(
    of network: NetworkName, _ config: PTPConfig, valid: Set<ValidAttachments.Attachment>, on kernel: inout K
  ) throws(KernelError) -> [Change] {
    let owners = Set(valid.map { AttachmentID(network: network, container: $0.containerID, interface: $0.ifname) })
    let keptNames = Set(owners.map { $0.hostInterface }), keptTags = Set(owners.map { $0.tag })
    let garbage = try kernel.links(kind: Self.linkKind, master: nil, on: .host).filter {
      $0.isHostInterface(of: network) && !($0.alias.map(keptTags.contains) ?? keptNames.contains($0.name))
    }
    return garbage.map { .deleteLink($0.name, on: .host) } + [
      .removeStaleRules(network, .network, valid: owners, everywhere: config.wantsRules)
    ]
  }

  func obstacle<K: Kernel & ~Copyable>(_ config: PTPConfig, on kernel: inout K) throws(KernelError) -> String? {
    config.wantsRules ? kernel.filter.obstacle(config.masquerade.anyBackend, to: .outbound) : nil
  }
}

extension PTPSettings {
  /// The other end's name, on the host or in the peer.
  func peerEndName(_ owner: AttachmentID) -> InterfaceName { peerInterface ?? owner.hostInterface }
}
