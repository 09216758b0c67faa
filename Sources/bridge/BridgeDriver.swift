import CNI
import Kernel
import NetTypes
import PacketFilter
import PluginKit

/// The present state of the host, as far as an attachment depends on it.
struct BridgeHostState: Equatable {
  /// `nil` if it does not exist yet.
  var bridge: LinkInfo?
  /// The addresses of the link that holds the gateway's addresses.
  var gatewayAddresses: [IPPrefix]
  /// The MTU of the default route's interface, in bytes; `nil` without such a route.
  var uplinkMTU: Int?
  /// Whether the reference plugin may have created the bridge.
  var isReferenceBridge = false
  /// Links that lose routes of router advertisements if the host forwards IPv6.
  var advertisedLinks: [InterfaceName] = []
  /// The linked containers (key `links`); `nil` for one that is not attached.
  var peers: [LinkedPeer?] = []
  /// Random for each call; used if nothing else determines the address.
  var bridgeMAC = MACAddress.random()
  var gatewayMAC: MACAddress
  var hostMAC = MACAddress.randomOfPort()
  var containerMAC = MACAddress.random()
  /// The guard for source addresses, as far as this host supports it.
  var addressCheck = SourceAddressCheck.no
  /// The MAC address of the container's interface, if that exists: CHECK accepts a change by a later plugin.
  var changedMAC: MACAddress?

  /// The bridge, if this plugin created it.
  var ownBridge: LinkInfo? { bridge?.isOurs == true ? bridge : nil }
}

extension LinkInfo {
  /// Whether this plugin created it.
  fileprivate var isOurs: Bool { alias?.hasPrefix(AttachmentID.tagPrefix) == true }

  /// Whether the reference plugin or this one may have created it: a veth with our alias, or `veth` and 8 hex digits.
  fileprivate var isReferencePort: Bool {
    guard kind == "veth" else { return false }
    if isOurs { return true }
    let name = name.description
    return name.utf8.count == 12 && name.hasPrefix("veth") && UInt32(name.dropFirst(4), radix: 16) != nil
  }
}

extension Kernel where Self: ~Copyable {
  /// Whether the reference plugin may have created the bridge.
  ///
  /// True for a bridge without an alias, with a MAC address that was set, and with only ports of CNI plugins.
  ///
  /// The reference plugin leaves no other mark on its bridges. A user's bridge usually has a MAC address chosen by the
  /// kernel, or an uplink as a port.
  fileprivate mutating func isReferenceBridge(_ bridge: LinkInfo) throws(KernelError) -> Bool {
    guard bridge.keepsMAC == true, (bridge.alias ?? "").isEmpty else { return false }
    return try allLinks(on: .host).allSatisfy { $0.master != bridge.index || $0.isReferencePort }
  }
}

/// A container's interface as a port of a bridge on the host.
struct BridgeDriver: LinkDriver {
  static let name = "bridge"
  static let limitsConnections = true
  static let linkKind = "veth"

  func settings(
    _ config: BridgeConfig, _ keys: RuntimeKeys, _ arguments: CNIArguments
  ) throws(CNIError) -> BridgeSettings {
    try BridgeSettings(config, keys, arguments)
  }

  func readHostState<K: Kernel & ~Copyable>(
    _ settings: BridgeSettings, owner: AttachmentID, families: Set<IPFamily>, at kernel: inout K
  ) throws(KernelError) -> BridgeHostState {
    let bridge = try kernel.link(settings.bridge, on: .host)
    let gateway = settings.gatewayLink == settings.bridge ? bridge : try kernel.link(settings.gatewayLink, on: .host)
    let addresses = gateway == nil ? [] : try kernel.addresses(of: settings.gatewayLink, on: .host)
    // A bridge that exists and is not ours keeps its MTU.
    let asksUplink = settings.mtu == nil && (bridge == nil || bridge?.isOurs == true)
    let uplink = asksUplink ? try kernel.uplink(on: .host) : nil
    var hostState = BridgeHostState(
      bridge: bridge, gatewayAddresses: addresses, uplinkMTU: uplink?.mtu,
      peers: try peers(of: settings, on: owner.network, at: &kernel), gatewayMAC: gateway?.mac ?? .random())
    if settings.isGateway, settings.forwards, families.contains(.v6) {
      hostState.advertisedLinks = try kernel.linksThatLoseAdvertisedRoutes()
    }
    if settings.isGateway, settings.forceAddress, let bridge, !bridge.isOurs {
      hostState.isReferenceBridge = try kernel.isReferenceBridge(bridge)
    }
    hostState.addressCheck = try settings.filter.addressCheck.resolved(on: &kernel)
    // CHECK compares the guard and the FDB entry with the interface that exists.
    if settings.port.learning == false || settings.filter.guardsSource {
      hostState.changedMAC = try kernel.link(owner.interface, on: .container)?.mac
    }
    if settings.filter.guardsSource, let mac = hostState.changedMAC { hostState.containerMAC = mac }
    return hostState
  }

  private func peers<K: Kernel & ~Copyable>(
    of settings: BridgeSettings, on network: NetworkName, at kernel: inout K
  ) throws(KernelError) -> [LinkedPeer?] {
    guard !settings.filter.links.isEmpty else { return [] }
    let ruleSets = try kernel.filter.ruleSets(of: network).filter { $0.role == .network }
    return settings.filter.links.map { link in
      ruleSets.first { $0.owner.container.description == link.container || $0.containerName == link.container }
        .map { LinkedPeer(addresses: $0.addresses, ports: link.ports) }
    }
  }

  func networkLinks(_ settings: BridgeSettings, of network: NetworkName) -> [InterfaceName] {
    // What arrives by the bridge itself is not of a VLAN, and without a gateway the host forwards nothing of it.
    settings.isGateway || settings.vlans == nil ? [settings.gatewayLink] : []
  }

  func plan(
    _ settings: BridgeSettings, _ hostState: BridgeHostState, owner: AttachmentID, namespacePath: String,
    addresses: AddResult
  ) throws(CNIError) -> AttachmentPlan {
    try BridgePlanner(
      settings: settings, hostState: hostState, owner: owner, sandbox: namespacePath, addresses: addresses
    )
    .plan()
  }

  func removal<K: Kernel & ~Copyable>(
    of owner: AttachmentID, _ config: BridgeConfig?, on kernel: inout K
  ) throws(KernelError) -> [Change] {
    // Proxy entries exist only if rules are recorded.
    let ruleSets = [
      try kernel.filter.ruleSet(of: owner, .network), try kernel.filter.ruleSet(of: owner, .policies),
    ]
    let proxies = ruleSets.flatMap { $0?.proxies ?? [] }
    return try unfinishedBridges(config, on: &kernel) + proxies.map { .deleteNeighbour($0) }
      + (try kernel.hostInterfaceRemoval(of: owner)) + [
        .removeRules(owner, .network, everywhere: config?.wantsRules ?? true),
        .removeRules(owner, .guards, everywhere: config?.wantsGuards ?? true),
        .removeRules(owner, .policies, everywhere: config.map { $0.policy != nil } ?? true),
      ]
  }

  /// Removes the bridge that a killed ADD left under its temporary name; ADD creates it under the host lock.
  private func unfinishedBridges<K: Kernel & ~Copyable>(
    _ config: BridgeConfig?, on kernel: inout K
  ) throws(KernelError) -> [Change] {
    guard let temporaryName = (config?.bridge ?? BridgeSettings.defaultBridge)?.temporaryName,
      try kernel.link(temporaryName, on: .host) != nil
    else { return [] }
    try kernel.lockHost(exclusively: true)
    return [.deleteUnusedBridge(temporaryName)]
  }

  func garbage<K: Kernel & ~Copyable>(
    of network: NetworkName, _ config: BridgeConfig, valid: Set<ValidAttachments.Attachment>, on kernel: inout K
  ) throws(KernelError) -> [Change] {
    let owners = Set(valid.map { AttachmentID(network: network, container: $0.containerID, interface: $0.ifname) })
    let garbage = try kernel.staleHostInterfaces(of: network, kind: Self.linkKind, valid: owners)
      .map { Change.deleteLink($0.name, on: .host) }
    let rules: [Change] = [
      .removeStaleRules(network, .network, valid: owners, everywhere: config.wantsRules),
      .removeStaleRules(network, .guards, valid: owners, everywhere: config.wantsGuards),
      .removeStaleRules(network, .policies, valid: owners, everywhere: config.policy != nil),
    ]
    return try garbage + unfinishedBridges(config, on: &kernel) + rules
      + (valid.isEmpty ? try unusedLinks(of: network, config, on: &kernel) : [])
  }

  /// The links for all attachments of the network: the gateway's link in a VLAN, and the bridge.
  private func unusedLinks<K: Kernel & ~Copyable>(
    of network: NetworkName, _ config: BridgeConfig, on kernel: inout K
  ) throws(KernelError) -> [Change] {
    guard let name = config.bridge ?? BridgeSettings.defaultBridge else { return [] }
    let gateway = config.vlan.flatMap { InterfaceName("\(name).\($0)") }
    var unused: [Change] = []
    if let gateway, try kernel.link(gateway, on: .host)?.alias == AttachmentID.tagPrefix(network) {
      unused.append(.deleteLink(gateway, on: .host))
    }
    if try kernel.link(name, on: .host)?.alias == AttachmentID.tagPrefix(network) {
      unused.append(.deleteUnusedBridge(name))
    }
    return unused
  }

  func obstacle<K: Kernel & ~Copyable>(_ config: BridgeConfig, on kernel: inout K) throws(KernelError) -> String? {
    if config.wantsRules, let obstacle = kernel.filter.obstacle(config.masquerade.anyBackend) {
      return obstacle
    }
    if config.masquerade.isOn, let drop = try kernel.filter.drop(ofEvery: .outbound) { return drop }
    if config.ipspoofchk == true || config.policy != nil, let obstacle = kernel.filter.obstacle(.nftables) {
      return obstacle
    }
    guard let name = config.bridge ?? BridgeSettings.defaultBridge, let link = try kernel.link(name, on: .host),
      link.kind != "bridge"
    else { return nil }
    return "bridge \"\(name)\": the name is taken by \(link.kindDescription)"
  }
}
