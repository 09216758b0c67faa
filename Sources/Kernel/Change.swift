public import CNI
public import NetTypes
public import PacketFilter

/// One change to the host or to the container, as data.
///
/// A plan is a list of changes, and so is its rollback; tests and logs can compare and print them. What a change means is in
/// the file of its family in `Changes`.
public enum Change: Equatable, Sendable {
  case createLink(LinkSpec)
  /// No-op if there is no such link.
  case deleteLink(InterfaceName, on: NetNS)
  /// No-op if there is no such bridge or VRF on the host, or if it has ports.
  case deleteUnusedBridge(InterfaceName)
  /// No-op if there is no such link on the host, or if it has routes.
  case deleteUnroutedLink(InterfaceName)
  case changeLink(InterfaceName, on: NetNS, LinkChange)
  /// Sets the VLANs of a bridge's port on the host; equals `bridge vlan add`.
  case setVLANs(PortVLANs, on: InterfaceName)
  /// Waits until that link on the host, a bridge's port, forwards packets.
  case awaitRunning(InterfaceName)
  /// Waits until duplicate address detection is complete on that link in the container.
  case awaitDAD(InterfaceName)
  /// Waits, at most a second, until a routing daemon has removed that FDB entry; returns at once if it does not exist.
  case awaitFDBRemoval(FDBSpec)
  case addAddress(AddressSpec)
  case deleteAddress(AddressSpec)
  case addRoute(RouteSpec)
  case deleteRoute(RouteSpec)
  /// Replaces an entry for the same address.
  case setNeighbour(NeighbourSpec)
  /// No-op if there is no such entry.
  case deleteNeighbour(NeighbourSpec)
  /// Replaces an entry for the same address in the same table.
  case setFDB(FDBSpec)
  case deleteFDB(FDBSpec)
  /// Makes the device's tables equal to these; changes only the differences.
  case setTunnelTables(TunnelTables)
  /// Changes a device's tables from one state, which they have, to another one, without reading them.
  case updateTunnelTables(TunnelTablesUpdate)
  /// Whether senders on that link of the host leave checksums to it (`ethtool -K NAME tx`).
  case setChecksumOffload(InterfaceName, isOn: Bool)
  case setSysctls([Sysctl], on: NetNS)
  /// Announces these addresses to the container's neighbours: gratuitous ARP, unsolicited NA.
  ///
  /// Requires `arp_notify` and `ndisc_notify` to be set.
  case announce([IPAddress], mac: MACAddress, on: InterfaceName)
  /// Adds a local route for packets to ::1 on that link of the host; the IPv6 counterpart of `route_localnet`.
  ///
  /// Replies whose destination the packet filter translates back to ::1 arrive on that link and need it. No-op if the
  /// route exists; it is deleted with the link. The kernel still drops packets that others send to ::1, before the packet
  /// filter. With `bridge-nf-call-ip6tables`, where bridges call the packet filter, it drops the replies too.
  case addLoopbackRoute(InterfaceName)
  /// Sets `route_localnet` of that link of the host to 1 for an owner whose rules are in place.
  case enableRouteLocalnet(InterfaceName, for: AttachmentID)
  /// Sets `route_localnet` of that link of the host to 0, under the packet filter's lock.
  ///
  /// No-op if there is no such link, or if published ports of others than these owners need it.
  case disableRouteLocalnet(InterfaceName, except: Set<AttachmentID>)
  /// Deletes the conntrack entries of these connections, so that the rules are applied to their next packet.
  case deleteConntrackEntries(Set<ConntrackFilter>)
  case addRules(RuleSet)
  /// Replaces all rules of the rule set's owner and role.
  case setRules(RuleSet)
  /// Replaces these rules, which are all rules of that owner and role, by others of the same.
  case updateRules(from: RuleSet, to: RuleSet)
  /// No-op if there are none; `everywhere`: also searches the rulesets for rules without a record.
  case removeRules(AttachmentID, PluginRole, everywhere: Bool)
  /// Removes what the reference plugins made, unless our own rules are recorded for the attachment.
  ///
  /// The container's addresses identify its admission rules; `zone` is the firewalld zone that may have them as sources.
  case removeReferencePluginRules(AttachmentID, PluginRole, [IPAddress], zone: String?)
  /// Removes that role's rules of all attachments of the network except `valid`.
  case removeStaleRules(NetworkName, PluginRole, valid: Set<AttachmentID>, everywhere: Bool)
}

extension Change: CustomStringConvertible {
  /// The change with its values, as the start of an error message.
  public var description: String {
    switch self {
    case .createLink(let spec): CreateLink(spec: spec).description
    case .deleteLink(let name, let netns): DeleteLink(name: name, netns: netns).description
    case .deleteUnusedBridge(let name): DeleteUnusedBridge(name: name).description
    case .deleteUnroutedLink(let name): DeleteUnroutedLink(name: name).description
    case .changeLink(let name, let netns, let wanted): ChangeLink(name: name, netns: netns, wanted: wanted).description
    case .awaitRunning(let name): AwaitRunning(name: name).description
    case .setChecksumOffload(let name, let isOn): SetChecksumOffload(name: name, isOn: isOn).description
    case .setVLANs(let vlans, let name): SetVLANs(vlans: vlans, name: name).description
    case .addAddress(let spec): AddAddress(spec: spec).description
    case .deleteAddress(let spec): DeleteAddress(spec: spec).description
    case .awaitDAD(let name): AwaitDAD(name: name).description
    case .announce(let addresses, let mac, let name): Announce(addresses: addresses, mac: mac, name: name).description
    case .addRoute(let spec): AddRoute(spec: spec).description
    case .deleteRoute(let spec): DeleteRoute(spec: spec).description
    case .addLoopbackRoute(let name): AddLoopbackRoute(name: name).description
    case .setNeighbour(let spec): SetNeighbour(spec: spec).description
    case .deleteNeighbour(let spec): DeleteNeighbour(spec: spec).description
    case .setFDB(let spec): SetFDB(spec: spec).description
    case .deleteFDB(let spec): DeleteFDB(spec: spec).description
    case .awaitFDBRemoval(let spec): AwaitFDBRemoval(spec: spec).description
    case .setTunnelTables(let wanted): SetTunnelTables(wanted: wanted).description
    case .updateTunnelTables(let update): UpdateTunnelTables(update: update).description
    case .setSysctls(let settings, let netns): SetSysctls(settings: settings, netns: netns).description
    case .enableRouteLocalnet(let name, let owner): EnableRouteLocalnet(name: name, owner: owner).description
    case .disableRouteLocalnet(let name, _): DisableRouteLocalnet(name: name).description
    case .addRules(let ruleSet): AddRules(ruleSet: ruleSet).description
    case .setRules(let ruleSet): SetRules(ruleSet: ruleSet).description
    case .updateRules(let old, let new): UpdateRules(old: old, new: new).description
    case .removeRules(let owner, let role, _): RemoveRules(owner: owner, role: role).description
    case .removeReferencePluginRules(let owner, _, _, _): RemoveReferencePluginRules(owner: owner).description
    case .removeStaleRules(let network, _, _, _): RemoveStaleRules(network: network).description
    case .deleteConntrackEntries(let connections): DeleteConntrackEntries(connections: connections).description
    }
  }
}

/// The differences between the host and its state after `change`; empty if the change would change nothing, or if its result
/// cannot be seen or is covered by the comparison of its link.
///
/// ADD skips a change without differences; CHECK reports the differences.
public func differences<K: Kernel & ~Copyable>(
  from change: Change, on kernel: inout K
) throws(KernelError) -> [String] {
  try change.differences(on: &kernel)
}

/// Whether `change` would change nothing, without a text for each difference.
public func isMade<K: Kernel & ~Copyable>(_ change: Change, on kernel: inout K) throws(KernelError) -> Bool {
  if case .setTunnelTables(let wanted) = change { return try SetTunnelTables(wanted: wanted).isMade(on: &kernel) }
  if case .removeRules(let owner, let role, _) = change { return try kernel.filter.ruleSet(of: owner, role) == nil }
  return try change.differences(on: &kernel).isEmpty
}

// What a case means is in a type of its own: its words, its inverse and the comparison with the host. The module `Netlink`
// carries it out, in a file of the same name.
extension Change {
  /// The changes that undo it, computed before it is made.
  ///
  /// Empty if it is not undone, or if its result is deleted with a link that the transaction created.
  func inverse<K: Kernel & ~Copyable>(in transaction: inout Transaction<K>) throws(KernelError) -> [Change] {
    switch self {
    case .createLink(let spec): try CreateLink(spec: spec).inverse(in: &transaction)
    case .changeLink(let name, let netns, let wanted):
      try ChangeLink(name: name, netns: netns, wanted: wanted).inverse(in: &transaction)
    case .setChecksumOffload(let name, let isOn):
      try SetChecksumOffload(name: name, isOn: isOn).inverse(in: &transaction)
    case .addAddress(let spec): try AddAddress(spec: spec).inverse(in: &transaction)
    case .deleteAddress(let spec): try DeleteAddress(spec: spec).inverse(in: &transaction)
    case .addRoute(let spec): try AddRoute(spec: spec).inverse(in: &transaction)
    case .deleteRoute(let spec): try DeleteRoute(spec: spec).inverse(in: &transaction)
    case .setNeighbour(let spec): try SetNeighbour(spec: spec).inverse(in: &transaction)
    case .deleteNeighbour(let spec): try DeleteNeighbour(spec: spec).inverse(in: &transaction)
    case .setFDB(let spec): try SetFDB(spec: spec).inverse(in: &transaction)
    case .deleteFDB(let spec): try DeleteFDB(spec: spec).inverse(in: &transaction)
    case .setTunnelTables(let wanted): try SetTunnelTables(wanted: wanted).inverse(in: &transaction)
    case .updateTunnelTables(let update): try UpdateTunnelTables(update: update).inverse(in: &transaction)
    case .setSysctls(let settings, let netns):
      try SetSysctls(settings: settings, netns: netns).inverse(in: &transaction)
    case .enableRouteLocalnet(let name, let owner):
      try EnableRouteLocalnet(name: name, owner: owner).inverse(in: &transaction)
    case .addRules(let ruleSet): try AddRules(ruleSet: ruleSet).inverse(in: &transaction)
    case .setRules(let ruleSet): try SetRules(ruleSet: ruleSet).inverse(in: &transaction)
    case .updateRules(let old, let new): try UpdateRules(old: old, new: new).inverse(in: &transaction)
    case .removeRules(let owner, let role, _): try RemoveRules(owner: owner, role: role).inverse(in: &transaction)
    case .deleteLink, .deleteUnusedBridge, .deleteUnroutedLink, .awaitRunning, .setVLANs, .awaitDAD, .announce,
      .addLoopbackRoute, .awaitFDBRemoval, .disableRouteLocalnet, .removeReferencePluginRules, .removeStaleRules,
      .deleteConntrackEntries:
      []
    }
  }

  fileprivate func differences<K: Kernel & ~Copyable>(on kernel: inout K) throws(KernelError) -> [String] {
    switch self {
    case .createLink(let spec): try CreateLink(spec: spec).differences(on: &kernel)
    case .changeLink(let name, let netns, let wanted):
      try ChangeLink(name: name, netns: netns, wanted: wanted).differences(on: &kernel)
    case .awaitRunning(let name): try AwaitRunning(name: name).differences(on: &kernel)
    case .setChecksumOffload(let name, let isOn):
      try SetChecksumOffload(name: name, isOn: isOn).differences(on: &kernel)
    case .setVLANs(let vlans, let name): try SetVLANs(vlans: vlans, name: name).differences(on: &kernel)
    case .addAddress(let spec): try AddAddress(spec: spec).differences(on: &kernel)
    case .deleteAddress(let spec): try DeleteAddress(spec: spec).differences(on: &kernel)
    case .addRoute(let spec): try AddRoute(spec: spec).differences(on: &kernel)
    case .setNeighbour(let spec): try SetNeighbour(spec: spec).differences(on: &kernel)
    case .setFDB(let spec): try SetFDB(spec: spec).differences(on: &kernel)
    case .awaitFDBRemoval(let spec): try AwaitFDBRemoval(spec: spec).differences(on: &kernel)
    case .setTunnelTables(let wanted): try SetTunnelTables(wanted: wanted).differences(on: &kernel)
    case .updateTunnelTables(let update): try UpdateTunnelTables(update: update).differences(on: &kernel)
    case .setSysctls(let settings, let netns): try SetSysctls(settings: settings, netns: netns).differences(on: &kernel)
    case .enableRouteLocalnet(let name, let owner):
      try EnableRouteLocalnet(name: name, owner: owner).differences(on: &kernel)
    case .addRules(let ruleSet): try AddRules(ruleSet: ruleSet).differences(on: &kernel)
    case .setRules(let ruleSet): try SetRules(ruleSet: ruleSet).differences(on: &kernel)
    case .updateRules(let old, let new): try UpdateRules(old: old, new: new).differences(on: &kernel)
    case .deleteLink, .deleteUnusedBridge, .deleteUnroutedLink, .awaitDAD, .announce, .deleteRoute, .addLoopbackRoute,
      .deleteNeighbour, .deleteFDB, .disableRouteLocalnet, .removeRules, .removeReferencePluginRules, .removeStaleRules,
      .deleteConntrackEntries:
      []
    }
  }
}

extension NetNS {
  /// For the end of a description.
  var suffix: String { self == .container ? " in the container" : "" }
}

/// The body's value; `nil` if it throws ENODEV.
public func nilIfLinkMissing<Value>(_ body: () throws(KernelError) -> Value) throws(KernelError) -> Value? {
  do throws(KernelError) { return try body() } catch {
    guard error.errno == .ENODEV else { throw error }
    return nil
  }
}
