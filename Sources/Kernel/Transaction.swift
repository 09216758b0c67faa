import CNI
public import NetTypes
import PacketFilter

/// The changes made so far for one ADD, with the rollback of each.
///
/// All changes of the host go through it, so that each of them can be rolled back.
public struct Transaction<K: Kernel & ~Copyable>: ~Copyable {
  public var kernel: K
  public private(set) var undoStack: [Change] = []
  private var created: Set<LinkKey> = []

  public init(_ kernel: consuming K) { self.kernel = kernel }

  /// Makes the change and records its rollback; in a dry run writes its commands down.
  public mutating func apply(_ change: Change) throws(KernelError) {
    if let dryRun = kernel.dryRun { return try kernel.write(change, dryRun) }
    // A change of several parts may fail half-way, so its rollback is recorded before it starts.
    let undo = try inverse(of: change)
    if change.hasParts { undoStack += undo }
    try kernel.apply(change)
    if !change.hasParts { undoStack += undo }
    if case .createLink(let spec) = change { remember(spec) }
  }

  private mutating func remember(_ spec: LinkSpec) {
    created.insert(spec.key)
    if case .veth(let peer) = spec.kind { created.insert(LinkKey(peer.name, on: peer.netns)) }
  }

  private func isOurs(_ name: InterfaceName, on netns: NetNS) -> Bool {
    created.contains(LinkKey(name, on: netns))
  }

  /// The rollback of `change`; empty if the result is deleted with a link created here.
  private mutating func inverse(of change: Change) throws(KernelError) -> [Change] {
    switch change {
    case .createLink(let spec):
      switch spec.kind {
      case .bridge, .vrf: return [.deleteUnusedBridge(spec.name)]
      case .veth, .childLink, .dummy, .vxlan: return [.deleteLink(spec.name, on: spec.netns)]
      }
    case .changeLink(let name, let netns, let wanted):
      guard !isOurs(name, on: netns), let current = try kernel.link(name, on: netns) else { return [] }
      let back = wanted.inverse(from: current)
      let kept = try addressesThatStay(current, on: netns, after: back)
      return back == LinkChange() ? [] : kept + [.changeLink(name, on: netns, back)]
    case .addAddress(let spec): return isOurs(spec.interface, on: spec.netns) ? [] : [.deleteAddress(spec)]
    case .deleteAddress(let spec): return [.addAddress(spec)]
    case .addRoute(let spec): return isOurs(spec.interface, on: spec.netns) ? [] : [.deleteRoute(spec)]
    case .deleteRoute(let spec): return [.addRoute(spec)]
    case .setNeighbour(let spec): return isOurs(spec.interface, on: spec.netns) ? [] : [.deleteNeighbour(spec)]
    case .setFDB(let spec): return isOurs(spec.interface, on: .host) ? [] : [.deleteFDB(spec)]
    case .setSysctls(let settings, let netns): return try previous(settings, on: netns)
    case .enableRouteLocalnet(let name, let owner): return try previousRouteLocalnet(name, for: owner)
    case .deleteNeighbour(let spec): return [.setNeighbour(spec)]
    case .deleteFDB(let spec): return [.setFDB(spec)]
    case .setTunnelTables(let wanted): return try previous(wanted)
    case .setChecksumOffload(let name, let isOn):
      let before = try isOurs(name, on: .host) ? isOn : kernel.offloadsChecksums(name)
      return before == isOn ? [] : [.setChecksumOffload(name, isOn: before)]
    case .addRules(let ruleSet): return [.removeRules(ruleSet.owner, ruleSet.role, everywhere: false)]
    case .setRules(let ruleSet): return [try previous(ruleSet)]
    case .removeRules(let owner, let role, _):
      return try kernel.filter.ruleSet(of: owner, role).map { [.addRules($0)] } ?? []
    // A deleted link cannot be restored, but an ADD deletes none. VLANs are deleted with the port, which ADD creates.
    // The next packet makes a new conntrack entry. Other attachments may need the route to ::1 by now.
    // `route_localnet` stays 0 on a link whose rules are about to be removed.
    case .disableRouteLocalnet, .addLoopbackRoute, .deleteConntrackEntries, .removeStaleRules, .deleteLink,
      .deleteUnusedBridge,
      .deleteUnroutedLink, .setVLANs, .awaitRunning, .awaitDAD, .awaitFDBRemoval, .announce,
      .removeReferencePluginRules:
      return []
    }
  }

  /// The kernel adds 127.0.0.1/8 when a loopback interface is set up, and keeps it when the interface is set down.
  private mutating func addressesThatStay(
    _ link: LinkInfo, on netns: NetNS, after back: LinkChange
  ) throws(KernelError) -> [Change] {
    guard link.isLoopback, back.isUp == false, let own = IPPrefix("127.0.0.1/8"),
      try !kernel.addresses(of: link.name, on: netns).contains(own)
    else { return [] }
    return [.deleteAddress(AddressSpec(own, on: link.name, netns))]
  }

  private mutating func previous(_ ruleSet: RuleSet) throws(KernelError) -> Change {
    let before = try kernel.filter.ruleSet(of: ruleSet.owner, ruleSet.role)
    return before.map { .setRules($0) } ?? .removeRules(ruleSet.owner, ruleSet.role, everywhere: false)
  }

  private mutating func previous(_ wanted: TunnelTables) throws(KernelError) -> [Change] {
    // Entries on other links are not deleted with the device.
    let isDeletedWithDevice =
      isOurs(wanted.device, on: .host) && isOurs(wanted.neighbourLink, on: .host) && wanted.directRoutes.isEmpty
    return isDeletedWithDevice ? [] : [.setTunnelTables(try kernel.tunnelTables(like: wanted))]
  }

  private mutating func previousRouteLocalnet(_ link: InterfaceName, for owner: AttachmentID) throws(KernelError)
    -> [Change]
  {
    let isOn = try kernel.sysctl(Sysctl.routeLocalnet(link, "1").key, on: .host) == "1"
    // If it was 1 before and no other container needs it, the operator set it.
    if isOn, try !kernel.filter.needsRouteLocalnet(link, except: [owner]) { return [] }
    return [.disableRouteLocalnet(link, except: [owner])]
  }

  /// The present settings, without those of links created here; empty if all of them have the wanted values.
  private mutating func previous(_ settings: [Sysctl], on netns: NetNS) throws(KernelError) -> [Change] {
    var old: [Sysctl] = []
    var isDifferent = false
    for setting in settings where !created.contains(where: { $0.netns == netns && setting.belongs(to: $0.name) }) {
      guard let value = try kernel.sysctl(setting.key, on: netns) else { continue }
      // Writing one setting may change others, so settings that have the wanted value may need to be restored too.
      isDifferent = isDifferent || !setting.matches(value)
      old.append(Sysctl(setting.key, value))
    }
    return isDifferent ? [.setSysctls(old, on: netns)] : []
  }

  /// Rolls back all changes, newest first; continues after errors.
  ///
  /// - Returns: the errors of changes that could not be rolled back.
  public mutating func rollBack() -> [KernelError] {
    var failures: [KernelError] = []
    var keepsRules = false
    while let change = undoStack.popLast() {
      // The rules to keep include the guard of 127.0.0.0/8; DEL removes them.
      if keepsRules, change.removesRules { continue }
      do throws(KernelError) { try kernel.apply(change) } catch {
        if case .disableRouteLocalnet = change { keepsRules = true }
        if !change.isAboutLinks || !error.meansAlreadyGone { failures.append(error) }
      }
    }
    return failures
  }
}

extension Change {
  /// Whether the change has no effect once its link is gone.
  fileprivate var isAboutLinks: Bool {
    switch self {
    case .addRules, .setRules, .removeRules, .removeStaleRules, .deleteConntrackEntries: false
    default: true
    }
  }

  /// Whether the change may remove packet filter rules.
  public var removesRules: Bool {
    switch self {
    case .removeRules, .removeStaleRules: true
    default: false
    }
  }

  /// Whether the kernel may have made a part of the change before an error.
  fileprivate var hasParts: Bool {
    switch self {
    case .setSysctls, .setTunnelTables, .setRules: true
    default: false
    }
  }
}

extension Sysctl {
  /// Whether the setting belongs to that interface.
  func belongs(to interface: InterfaceName) -> Bool {
    key.hasPrefix("net/ipv4/conf/\(interface)/") || key.hasPrefix("net/ipv6/conf/\(interface)/")
  }
}

extension LinkChange {
  /// The change that restores the settings of `link`; settings that do not change are left out.
  func inverse(from link: LinkInfo) -> LinkChange {
    var back = LinkChange()
    if let isUp, isUp != link.isUp { back.isUp = link.isUp }
    if let isPromiscuous, isPromiscuous != link.isPromiscuous { back.isPromiscuous = link.isPromiscuous }
    if let isAllMulticast, isAllMulticast != link.isAllMulticast { back.isAllMulticast = link.isAllMulticast }
    if let mtu, mtu != link.mtu { back.mtu = link.mtu }
    if let txQueueLength, txQueueLength != link.txQueueLength { back.txQueueLength = link.txQueueLength }
    if let mac, mac != link.mac { back.mac = link.mac }
    if let group, group != link.group { back.group = link.group }
    if let alias, alias != link.alias { back.alias = link.alias ?? "" }
    if let local, local != link.vxlan?.local { back.local = link.vxlan?.local }
    if let current = link.port {
      back.port = BridgePort(
        hairpin: port.hairpin == nil ? nil : current.hairpin, isolated: port.isolated == nil ? nil : current.isolated,
        learning: port.learning == nil ? nil : current.learning,
        neighSuppress: port.neighSuppress == nil ? nil : current.neighSuppress,
        locked: port.locked == nil ? nil : current.locked)
    }
    return back
  }
}
