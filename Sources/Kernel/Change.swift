public import CNI
public import NetTypes
public import PacketFilter

/// One change to the host or to the container, as data.
///
/// A plan is a list of changes, and so is its rollback; tests and logs can compare and print them.
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
    case .createLink(let spec): "create \(spec.kind) \(spec.name)\(spec.netns.suffix)"
    case .deleteLink(let name, let netns): "delete link \(name)\(netns.suffix)"
    case .deleteUnusedBridge(let name): "delete bridge \(name) if it has no ports"
    case .deleteUnroutedLink(let name): "delete link \(name) if it has no routes"
    case .changeLink(let name, let netns, let change): "set \(name) \(change)\(netns.suffix)"
    case .setVLANs(let vlans, let name): "set VLANs of \(name): \(vlans)"
    case .awaitRunning(let name): "wait until \(name) runs"
    case .awaitDAD(let name): "wait for duplicate address detection on \(name) in the container"
    case .awaitFDBRemoval(let spec): "wait until a routing daemon has removed forwarding entry \(spec)"
    case .addAddress(let spec): "add address \(spec)"
    case .deleteAddress(let spec): "delete address \(spec)"
    case .addRoute(let spec): "add route \(spec)"
    case .deleteRoute(let spec): "delete route \(spec)"
    case .setNeighbour(let spec):
      "set neighbour \(spec.address) \(spec.mac?.description ?? "proxy") on \(spec.interface)\(spec.netns.suffix)"
    case .deleteNeighbour(let spec): "delete neighbour \(spec.address) on \(spec.interface)\(spec.netns.suffix)"
    case .setFDB(let spec): "set forwarding entry \(spec)"
    case .deleteFDB(let spec): "delete forwarding entry \(spec)"
    case .setTunnelTables(let tables):
      "set \(tables.fdbEntries.count) forwarding entries, \(tables.neighbours.count) neighbours, \(tables.routes.count) routes of \(tables.device)"
    case .setChecksumOffload(let name, let isOn): "set checksum offload of \(name) \(isOn ? "on" : "off")"
    case .setSysctls(let settings, let netns):
      "set sysctl \(settings.map { "\($0.key)=\($0.value)" }.joined(separator: " "))\(netns.suffix)"
    case .announce(let addresses, let mac, let name):
      "announce \(addresses.map(\.description).joined(separator: " ")) at \(mac) on \(name)"
    case .addLoopbackRoute(let name): "add route local ::1 on \(name)"
    case .enableRouteLocalnet(let name, _): "set sysctl \(Sysctl.routeLocalnet(name, "1").key)=1"
    case .disableRouteLocalnet(let name, _): "set sysctl \(Sysctl.routeLocalnet(name, "0").key)=0"
    case .deleteConntrackEntries(let connections):
      "delete conntrack entries of connections to \(connections.map(\.description).sorted().joined(separator: ", "))"
    case .addRules(let ruleSet): "add packet filter rules of \(ruleSet.owner.tag)"
    case .setRules(let ruleSet): "replace packet filter rules of \(ruleSet.owner.tag)"
    case .removeRules(let owner, _, _): "remove packet filter rules of \(owner.tag)"
    case .removeReferencePluginRules(let owner, _, _, _):
      "remove packet filter rules of the reference plugins for \(owner.tag)"
    case .removeStaleRules(let network, _, _, _): "remove stale packet filter rules of network \(network)"
    }
  }
}

extension NetNS {
  fileprivate var suffix: String { self == .container ? " in the container" : "" }
}

extension LinkSpec.Kind: CustomStringConvertible {
  public var description: String {
    switch self {
    case .bridge(let filtersVLANs): filtersVLANs ? "VLAN filtering bridge" : "bridge"
    case .veth(let peer): "veth with \(peer.name)\(peer.netns.suffix) as peer of"
    case .childLink(let childLink, let parent): "\(childLink) over \(parent.name)\(parent.netns.suffix) as"
    case .dummy: "dummy"
    case .vxlan(let vxlan, let link): "\(vxlan)\(link.map { " dev \($0)" } ?? "") as"
    case .vrf(let table): "vrf table \(table) as"
    }
  }
}

extension PortVLANs: CustomStringConvertible {
  public var description: String {
    let tagged = tagged.map {
      $0.lowerBound == $0.upperBound ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)"
    }
    let words = [native.map { "native \($0)" }, tagged.isEmpty ? nil : "tagged \(tagged.joined(separator: ","))"]
    return (words + [keepsDefault ? nil : "without 1"]).compactMap(\.self).joined(separator: ", ")
  }
}

extension LinkChange: CustomStringConvertible {
  public var description: String {
    let port = [
      port.hairpin.map { "hairpin \($0)" }, port.isolated.map { "isolated \($0)" },
      port.learning.map { "learning \($0)" }, port.neighSuppress.map { "neigh_suppress \($0)" },
      port.locked.map { "locked \($0)" },
    ]
    let words = [
      isUp.map { $0 ? "up" : "down" }, isPromiscuous.map { "promisc \($0)" }, isAllMulticast.map { "allmulti \($0)" },
      mtu.map { "mtu \($0)" }, txQueueLength.map { "txqueuelen \($0)" }, mac.map { "address \($0)" },
      group.map { "group \($0)" }, master.map { "master \($0)" },
      alias.map { "alias \($0)" }, local.map { "local \($0)" },
    ]
    return (words + port).compactMap(\.self).joined(separator: ", ")
  }
}

extension AddressSpec: CustomStringConvertible {
  public var description: String { "\(prefix) on \(interface)\(netns.suffix)" }
}

extension RouteSpec: CustomStringConvertible {
  public var description: String {
    "\(dst)\(gateway.map { " via \($0)" } ?? "") on \(interface)\(netns.suffix)"
  }
}

extension FDBSpec: CustomStringConvertible {
  public var description: String {
    if case .tunnel(let end) = table { "\(mac) to \(end) on \(interface)" } else { "\(mac) on \(interface)" }
  }
}
