import CNI
import Kernel
import NetTypes
import PacketFilter
import PluginKit

/// What the host looks like to an attachment.
struct BridgeFacts: Equatable {
  /// `nil` where there is none yet.
  var bridge: LinkInfo?
  /// Of the link that holds the gateway's addresses.
  var gatewayAddresses: [IPPrefix]
  /// Largest packet of the default route's interface, in bytes; `nil` without such a route.
  var uplinkMTU: Int?
  /// Whether the bridge looks like one that the reference plugin made.
  var isReferenceBridge = false
  /// Links that lose routes of router advertisements if the host forwards IPv6.
  var advertisedLinks: [InterfaceName] = []
  /// The containers that links lead to, as far as they are there.
  var peers: [LinkedPeer?] = []
  /// Drawn anew for each call; used where nothing else decides.
  var bridgeMAC = MACAddress.random()
  var gatewayMAC: MACAddress
  var hostMAC = MACAddress.randomOfPort()
  var containerMAC = MACAddress.random()
  /// As far as this host can.
  var guardsAddresses = AddressGuarding.no
  /// Of the container's interface where that is there already: CHECK follows what a later plugin made of it.
  var macThere: MACAddress?

  /// The bridge, if this plugin made it.
  var ownBridge: LinkInfo? { bridge?.isOurs == true ? bridge : nil }
}

extension LinkInfo {
  /// Whether this plugin made it.
  fileprivate var isOurs: Bool { alias?.hasPrefix(Owner.tagPrefix) == true }

  /// Whether the reference plugin may have made it, or this plugin: a veth called `veth` and 8 hex digits, or tagged.
  fileprivate var isReferencePort: Bool {
    guard kind == "veth" else { return false }
    if isOurs { return true }
    let name = name.description
    return name.utf8.count == 12 && name.hasPrefix("veth") && UInt32(name.dropFirst(4), radix: 16) != nil
  }
}

extension Kernel where Self: ~Copyable {
  /// Whether the reference plugin may have made it: no alias, a MAC address that was set, no port of other programs.
  ///
  /// It leaves no other mark on its bridges. A bridge that a user made has a MAC address of the kernel, or an uplink.
  fileprivate mutating func isReferenceBridge(_ bridge: LinkInfo) throws(KernelError) -> Bool {
    guard bridge.keepsMAC == true, (bridge.alias ?? "").isEmpty else { return false }
    return try allLinks(on: .host).allSatisfy { $0.master != bridge.index || $0.isReferencePort }
  }
}

/// A container's interface as a port of a bridge on the host.
struct BridgeDriver: LinkDriver {
  static let name = "bridge"
  static let linkKind = "veth"

  func settings(
    _ config: BridgeConfig, _ keys: RuntimeKeys, _ arguments: CNIArguments
  ) throws(CNIError) -> BridgeSettings {
    try BridgeSettings(config, keys, arguments)
  }

  func look<K: Kernel & ~Copyable>(
    _ settings: BridgeSettings, owner: Owner, at kernel: inout K
  ) throws(KernelError) -> BridgeFacts {
    let bridge = try kernel.link(settings.bridge, on: .host)
    let gateway = settings.gatewayLink == settings.bridge ? bridge : try kernel.link(settings.gatewayLink, on: .host)
    let addresses = gateway == nil ? [] : try kernel.addresses(of: settings.gatewayLink, on: .host)
    // A bridge that is there already has its MTU.
    let asksUplink = settings.mtu == nil && (bridge == nil || bridge?.isOurs == true)
    let uplink = asksUplink ? try kernel.uplink(on: .host) : nil
    var facts = BridgeFacts(
      bridge: bridge, gatewayAddresses: addresses, uplinkMTU: uplink?.mtu,
      peers: try peers(of: settings, on: owner.network, at: &kernel), gatewayMAC: gateway?.mac ?? .random())
    if settings.isGateway, settings.forwards { facts.advertisedLinks = try kernel.linksThatLoseAdvertisedRoutes() }
    if settings.isGateway, settings.forceAddress, let bridge, !bridge.isOurs {
      facts.isReferenceBridge = try kernel.isReferenceBridge(bridge)
    }
    facts.guardsAddresses = try settings.filter.guardsAddresses.settled(on: &kernel)
    // CHECK compares the guard and the entry with the interface that is there.
    if settings.port.learning == false || settings.filter.guardsSource {
      facts.macThere = try kernel.link(owner.interface, on: .container)?.mac
    }
    if settings.filter.guardsSource, let mac = facts.macThere { facts.containerMAC = mac }
    return facts
  }

  private func peers<K: Kernel & ~Copyable>(
    of settings: BridgeSettings, on network: NetworkName, at kernel: inout K
  ) throws(KernelError) -> [LinkedPeer?] {
    guard !settings.filter.links.isEmpty else { return [] }
    let claims = try kernel.filter.claims(of: network).filter { $0.part == .network }
    return settings.filter.links.map { link in
      claims.first { $0.owner.container.description == link.container || $0.containerName == link.container }
        .map { LinkedPeer(addresses: $0.addresses, ports: link.ports) }
    }
  }

  func plan(
    _ settings: BridgeSettings, _ facts: BridgeFacts, owner: Owner, namespacePath: String, addresses: AddResult
  ) throws(CNIError) -> AttachmentPlan {
    try BridgePlanner(settings: settings, facts: facts, owner: owner, sandbox: namespacePath, addresses: addresses)
      .plan()
  }

  func removal<K: Kernel & ~Copyable>(
    of owner: Owner, _ config: BridgeConfig?, on kernel: inout K
  ) throws(KernelError) -> [Change] {
    // Without a memory of rules there is no memory of addresses that we answered for.
    let claim = try kernel.filter.claim(of: owner, .network)
    return try unfinishedBridges(config, on: &kernel) + (claim?.proxies ?? []).map { .deleteNeighbour($0) }
      + (try kernel.endRemoval(of: owner)) + [
        .removeRules(owner, .network, everywhere: config?.wantsRules ?? true),
        .removeRules(owner, .guards, everywhere: config?.wantsGuards ?? true),
      ]
  }

  /// What an ADD that was killed left under the name that a bridge has on its way; ADD makes it under the host's lock.
  private func unfinishedBridges<K: Kernel & ~Copyable>(
    _ config: BridgeConfig?, on kernel: inout K
  ) throws(KernelError) -> [Change] {
    guard let passing = (config?.bridge ?? BridgeSettings.defaultBridge)?.passing,
      try kernel.link(passing, on: .host) != nil
    else { return [] }
    try kernel.lockHost(exclusively: true)
    return [.deleteUnusedBridge(passing)]
  }

  func garbage<K: Kernel & ~Copyable>(
    of network: NetworkName, _ config: BridgeConfig, valid: Set<ValidAttachments.Attachment>, on kernel: inout K
  ) throws(KernelError) -> [Change] {
    let owners = Set(valid.map { Owner(network: network, container: $0.containerID, interface: $0.ifname) })
    let garbage = try kernel.garbageEnds(of: network, kind: Self.linkKind, valid: owners)
      .map { Change.deleteLink($0.name, on: .host) }
    let rules: [Change] = [
      .removeOtherRules(network, .network, valid: owners, everywhere: config.wantsRules),
      .removeOtherRules(network, .guards, valid: owners, everywhere: config.wantsGuards),
    ]
    return try garbage + unfinishedBridges(config, on: &kernel) + rules
      + (valid.isEmpty ? try unusedLinks(of: network, config, on: &kernel) : [])
  }

  /// What this network made for all its attachments: the gateway's link in a VLAN, the bridge.
  private func unusedLinks<K: Kernel & ~Copyable>(
    of network: NetworkName, _ config: BridgeConfig, on kernel: inout K
  ) throws(KernelError) -> [Change] {
    guard let name = config.bridge ?? BridgeSettings.defaultBridge else { return [] }
    let gateway = config.vlan.flatMap { InterfaceName("\(name).\($0)") }
    var unused: [Change] = []
    if let gateway, try kernel.link(gateway, on: .host)?.alias == Owner.tagPrefix(network) {
      unused.append(.deleteLink(gateway, on: .host))
    }
    if try kernel.link(name, on: .host)?.alias == Owner.tagPrefix(network) { unused.append(.deleteUnusedBridge(name)) }
    return unused
  }

  func obstacle<K: Kernel & ~Copyable>(_ config: BridgeConfig, on kernel: inout K) throws(KernelError) -> String? {
    if config.wantsRules, let obstacle = kernel.filter.obstacle(config.masquerade.anyBackend) {
      return obstacle
    }
    if config.masquerade.isOn, let drop = try kernel.filter.drop(ofEvery: .outbound) { return drop }
    if config.ipspoofchk == true, let obstacle = kernel.filter.obstacle(.nftables) { return obstacle }
    guard let name = config.bridge ?? BridgeSettings.defaultBridge, let link = try kernel.link(name, on: .host),
      link.kind != "bridge"
    else { return nil }
    return "bridge \"\(name)\": the name is taken by \(link.kindInWords)"
  }
}
