import NetTypes
import PacketFilter

/// The fixed parts of the table `swift_cni`: sets, and chains with lookups in them (`Part`).
///
/// In family `inet`:
/// - `prerouting` and `output`, type nat, priority -90: after the host's own translations at -100. They look up floating
///   addresses, and jump to `publish` for packets to an address of this host.
/// - `publish`: ports with conditions, then ports of one address, then ports of all addresses, then `spare`.
/// - `spare`: a rule for each spare port, which other networks of the same container publish too.
/// - `localnet`, type filter, priority -150: drops packets for 127.0.0.0/8 that arrive from elsewhere. The kernel accepts
///   them if a published port has set `route_localnet`. Replies to the host's own loopback are not dropped: their
///   destination is translated back to 127.0.0.0/8 only at -100.
/// - `postrouting`, type nat, priority 100: return paths, floating addresses, masquerade.
/// - `forward`, type filter, priority 0: known connections, isolation, admission.
/// - `input`, type filter, priority 0: name servers, each of which only its own bridge may query.
/// - `vtep_input`, type filter, priority -150: restricts the UDP ports of this host's VXLAN devices to packets from other
///   hosts.
/// - `vtep_forward`, type filter, priority -150: drops what containers send to such ports of other hosts.
/// - `policies`, type filter, priority -10: connections of containers that have a policy.
/// - `far_policies`, type filter, priority -9: connections to containers of such networks on other hosts.
/// - `services_in` and `services_out`, type nat, priority -95, and `services_back`, type nat, priority 99: connections to
///   services, before published ports.
/// - `own_input`, `own_output` and `own_forward`, type filter, priority -10, in a container's namespace: connections of
///   its interfaces that have a policy.
/// - `anchor`: empty; every owner has an element that leads to it.
///
/// In family `bridge`, for guarded sources only: `prerouting`, priority -300, and `check` for hardware addresses,
/// `sources` for ARP and IP addresses.
///
/// Everything that belongs to a container is an element. So the cost of a change and of a packet does not depend on the
/// number of containers.
enum Layout {
  static let owners = SetSpec(.owners, "owners", key: [.interface], value: .verdict)
  static let guarded = SetSpec(.guards, "guarded", key: [.interface], value: .verdict)
  /// The chain of spare ports; re-declaring the layout leaves its rules as they are.
  static let spare = "spare"
  /// One element for each owner that wants a name server's port open; keys are hashes.
  static let servers = SetSpec(.nameServers, "servers", key: [.interface], value: .verdict)
  /// The prefix of the names of chains for name servers.
  static let servicePrefix = "serve_"
  /// The UDP ports on which this host's VXLAN devices listen.
  static let tunnels = SetSpec(.tunnels, "tunnels", key: [.port], value: .verdict)
  /// Those of these ports that accept packets from any host.
  static let openTunnels = SetSpec(.tunnels, "open_tunnels", key: [.port], value: .verdict)
  /// One element for each network and chain of tunnels; keys are hashes.
  static let tunnelOwners = SetSpec(.tunnels, "tunnel_owners", key: [.interface], value: .verdict)
  /// Prefix of the names of chains for tunnels.
  static let tunnelPrefix = "vtep_"
  /// The other hosts and the UDP ports of their tunnels.
  static var tunnelHosts: [SetSpec] { IPFamily.allCases.map { FamilySets($0).tunnelHosts } }
  /// The chain for packets of containers to UDP ports.
  static func tunnelHostsChain(_ family: IPFamily) -> String { "\(tunnelPrefix)hosts\(family.digit)" }
  /// Prefixes of the names of chains that have entry elements.
  static let entryElementPrefixes = [
    servicePrefix, tunnelPrefix, LinkPolicies.prefix, ServiceChains.prefix, ServiceChains.proxyPrefix,
  ]
  static let allowed = SetSpec(.guards, "allowed", key: [.interface, .mac])

  /// One element for each owner that guards addresses; keys are hashes.
  static let frameOwners = SetSpec(.guards, "owners", key: [.interface], value: .verdict)
  /// Bridge ports whose frames must come from given addresses.
  static let addressed = SetSpec(.guards, "addressed", key: [.interface], value: .verdict)
  /// The chain that looks up those addresses.
  static let sources = "sources"
  static func sources(_ family: IPFamily) -> SetSpec {
    SetSpec(.guards, "sources\(family.digit)", key: [.interface, Field.Kind(family)])
  }

  /// A link: chain that limits which connections its containers open, or its container if it has one only.
  static let limitedLinks = SetSpec(.policies, "limited_links", key: [.interface], value: .verdict)
  /// A link: chain that limits which connections its containers take.
  static let limitedInLinks = SetSpec(.policies, "limited_in_links", key: [.interface], value: .verdict)
  /// The link to a network's containers on other hosts: chain that limits who connects to them.
  static let limitedFar = SetSpec(.farPolicies, "limited_far", key: [.interface], value: .verdict)
  /// One element for each owner and label or network that it has or names; keys are hashes.
  static let peerUsers = SetSpec(.policies, "peer_users", key: [.interface], value: .verdict)

  /// The roles that may isolate bridges.
  static let isolating = [PluginRole.network, .firewall]

  static func entering(_ role: PluginRole) -> SetSpec { byBridge("entering_\(role)") }
  static func leaving(_ role: PluginRole) -> SetSpec { byBridge("leaving_\(role)") }
  static func isolated(_ role: PluginRole) -> SetSpec { SetSpec(.forwarding, "isolated_\(role)", key: [.interface]) }
  /// One element for each owner and bridge; keys are hashes.
  static func isolators(_ role: PluginRole) -> SetSpec { byBridge("isolators_\(role)") }

  private static func byBridge(_ name: String) -> SetSpec {
    SetSpec(.forwarding, name, key: [.interface], value: .verdict)
  }

  static var sets: [SetSpec] {
    [
      owners, servers, tunnels, openTunnels, tunnelOwners, limitedLinks, limitedInLinks, limitedFar, peerUsers,
      serviceUsers,
    ]
      + PolicySide.allCases.map(ownLimits)
      + isolating.flatMap { [entering($0), leaving($0), isolated($0), isolators($0)] }
      + IPFamily.allCases.flatMap { FamilySets($0).all } + [guarded, allowed, frameOwners, addressed]
      + IPFamily.allCases.map(sources)
  }

  static func sets(_ table: Table) -> [SetSpec] { sets.filter { $0.table == table } }

  /// Changes that create the parts and their tables, or refill their chains; elements and other chains stay.
  static func declaration(_ parts: [Part]) -> [RulesetChange] {
    Table.allCases.flatMap { table -> [RulesetChange] in
      let chains = chains(table).filter { parts.contains($0.part) }
      guard !chains.isEmpty else { return [] }
      return [.addTable(table)] + sets(table).filter { parts.contains($0.part) }.map { .addSet($0) }
        + chains.flatMap { chain -> [RulesetChange] in
          [.addChain(table, chain.name, chain.hook)] + (chain.name == spare ? [] : [.flushChain(table, chain.name)])
        }
        + chains.flatMap { chain in chain.rules.map { .addRule(table, chain.name, $0) } }
    }
  }

  /// Changes that fail if an owner still has rules.
  static func deletion(_ table: Table) -> [RulesetChange] { [.deleteChain(table, table.anchor), .deleteTable(table)] }

  /// The kernel's use count of the table's anchor if no owner has rules.
  static func idleUses(_ table: Table) -> Int {
    chains(table).first { $0.name == table.anchor }?.rules.count ?? 0
  }

  struct Chain {
    var part: Part
    var name: String
    var hook: Hook?
    var rules: [NftRule]
  }

  /// Where packets enter a base chain.
  struct Hook: Equatable {
    enum Kind: String { case filter, nat }
    enum Point: String {
      case prerouting, input, forward, output, postrouting

      /// `NF_INET_*`, and `NF_BR_*` too.
      var number: UInt32 {
        switch self {
        case .prerouting: 0
        case .input: 1
        case .forward: 2
        case .output: 3
        case .postrouting: 4
        }
      }
    }

    var kind: Kind
    var point: Point
    var priority: Int32

    init(_ kind: Kind, _ point: Point, _ priority: Int32) {
      self.kind = kind
      self.point = point
      self.priority = priority
    }

    /// The hook in nft's syntax.
    var text: String { "{ type \(kind.rawValue) hook \(point.rawValue) priority \(priority) ; }" }
  }

  static func chains(_ table: Table) -> [Chain] { table == .inet ? inetChains : bridgeChains }

  private static var inetChains: [Chain] {
    let each = IPFamily.allCases.map(FamilySets.init(_:))
    let floating: [NftRule] = each.map {
      [.translate(.destination, $0.family, [.address(.destination, $0.family)], $0.floating)]
    }
    let incoming = floating + [[.local, .jump("publish")]]
    return [
      Chain(part: .owners, name: "anchor", rules: []),
      Chain(part: .publishing, name: spare, rules: []),
      Chain(
        part: .publishing, name: "localnet", hook: Hook(.filter, .prerouting, -150),
        rules: [[.link(.incoming, ["lo"], isNot: true), .prefix(.destination, .loopback), .drop]]),
      Chain(part: .publishing, name: "publish", rules: publishRules),
      Chain(part: .publishing, name: "prerouting", hook: Hook(.nat, .prerouting, -90), rules: incoming),
      Chain(part: .publishing, name: "output", hook: Hook(.nat, .output, -90), rules: incoming),
      Chain(
        part: .masquerading, name: "postrouting", hook: Hook(.nat, .postrouting, 100),
        rules: each.flatMap { $0.postrouting }),
      Chain(
        part: .nameServers, name: "input", hook: Hook(.filter, .input, 0),
        rules: each.map { [.verdict([.address(.destination, $0.family)], $0.served)] }),
      Chain(
        part: .forwarding, name: "forward", hook: Hook(.filter, .forward, 0),
        // Most packets belong to a connection whose first packet passed the rules below.
        rules: [[.established, .accept]]
          + isolating.flatMap { role -> [NftRule] in
            [[.verdict([.link(.outgoing)], entering(role))], [.verdict([.link(.incoming)], leaving(role))]]
          } + each.flatMap { $0.admissions }),
    ] + policyChains + ownChains + tunnelChains + serviceChains
  }

  private static var policyChains: [Chain] {
    [
      Chain(
        part: .policies, name: Part.policies.mainChain, hook: Hook(.filter, .forward, -10),
        rules: [
          [.established, .accept], [.verdict([.link(.incoming)], limitedLinks)],
          [.verdict([.link(.outgoing)], limitedInLinks)],
        ]
          + IPFamily.allCases.flatMap { family in
            [PolicySide.egress, .ingress].map { side in
              [.verdict(side.container(family), side.limited(FamilySets(family)))]
            }
          }),
      Chain(
        part: .farPolicies, name: Part.farPolicies.mainChain, hook: Hook(.filter, .forward, -9),
        rules: [[.established, .accept], [.verdict([.link(.outgoing)], limitedFar)]]),
    ]
  }

  private static var tunnelChains: [Chain] {
    IPFamily.allCases.map {
      Chain(part: .tunnels, name: tunnelHostsChain($0), rules: NftablesPlan.tunnelHostRules($0))
    } + [
      Chain(
        part: .tunnels, name: "\(tunnelPrefix)input", hook: Hook(.filter, .input, -150),
        rules: [[.verdict([.udpPort], tunnels)]]),
      Chain(
        part: .tunnels, name: "\(tunnelPrefix)forward", hook: Hook(.filter, .forward, -150),
        rules: NftablesPlan.tunnelForwardRules),
    ]
  }

  private static var publishRules: [NftRule] {
    let each = IPFamily.allCases.map(FamilySets.init(_:))
    return each.flatMap { sets in conditional(sets.boundSpecial, sets.special, sets.family) }
      + each.flatMap { $0.translations } + [[.jump(spare)]]
  }

  /// Rules that look up ports with conditions: first the ports of one address, then those of all addresses.
  static func conditional(_ bound: SetSpec, _ all: SetSpec, _ family: IPFamily) -> [NftRule] {
    [
      [.verdict([.address(.destination, family), .transport, .port], bound)],
      [.family(family), .verdict([.transport, .port], all)],
    ]
  }

  /// Matches `meta protocol`, which looks behind a VLAN tag: the host accepts frames with VLAN ID 0 as untagged.
  ///
  /// Frames with a second tag are dropped, because their addresses cannot be matched.
  private static var sourceRules: [NftRule] {
    let v4 = sources(.v4), v6 = sources(.v6)
    let link = Selector.link(.incoming)
    return [
      [.etherTypes([.ip]), .member([link, .address(.source, .v4)], v4), .returnToCaller],
      [.etherTypes([.ip6]), .member([link, .address(.source, .v6)], v6), .returnToCaller],
      [.etherTypes([.arp]), .member([link, .arpSource], v4), .returnToCaller],
      [.etherTypes([.arp]), .arpProbe, .returnToCaller],
      [.etherTypes([.ip6]), .sourceWithoutSubnet, .returnToCaller],
      [.etherTypes([.arp, .ip, .ip6, .vlan, .serviceVLAN]), .drop],
    ]
  }

  private static var bridgeChains: [Chain] {
    let link = Selector.link(.incoming)
    return [
      Chain(
        part: .guards, name: "check", rules: [[.member([link, .hardwareSource], allowed), .returnToCaller], [.drop]]),
      Chain(part: .guards, name: sources, rules: sourceRules),
      Chain(
        part: .guards, name: "prerouting", hook: Hook(.filter, .prerouting, -300),
        rules: [[.verdict([link], guarded)], [.verdict([link], addressed)]]),
    ]
  }
}

/// The sets of one address family.
struct FamilySets {
  var family: IPFamily
  init(_ family: IPFamily) { self.family = family }

  private var address: Field.Kind { Field.Kind(family) }
  /// The value for all addresses of the host in a key that has an address component.
  var anyAddress: IPAddress { family == .v4 ? IPAddress(v4: 0) : IPAddress(v6: 0) }

  private func named(
    _ part: Layout.Part, _ name: String, _ key: [Field.Kind], _ value: SetSpec.Value = .none
  ) -> SetSpec {
    SetSpec(part, name + family.digit, key: key, value: value)
  }

  var ports: SetSpec { named(.publishing, "ports", [.transport, .port], .fields([address, .port])) }
  var bound: SetSpec { named(.publishing, "bound", [address, .transport, .port], .fields([address, .port])) }
  /// Ports with conditions: each leads to its own chain, or to a chain with a given name.
  var special: SetSpec { named(.publishing, "special", [.transport, .port], .verdict) }
  var boundSpecial: SetSpec { named(.publishing, "bound_special", [address, .transport, .port], .verdict) }
  /// The ports that a chain with a given name looks up.
  var chained: SetSpec { named(.publishing, "chained", [.transport, .port], .verdict) }
  var boundChained: SetSpec { named(.publishing, "bound_chained", [address, .transport, .port], .verdict) }
  /// Ports that other networks of the same container publish too; the key begins with a hash of the owner.
  var spares: SetSpec { named(.publishing, "spares", [.interface, address, .transport, .port], .verdict) }
  /// The container's address: chain that masquerades connections to the container's published ports.
  var returning: SetSpec { named(.masquerading, "returning", [address], .verdict) }
  /// The container's address: chain that masquerades connections to the container's floating address.
  var neighbours: SetSpec { named(.masquerading, "neighbours", [address], .verdict) }
  var floating: SetSpec { named(.publishing, "floating", [address], .fields([address])) }
  var leavingFloat: SetSpec { named(.masquerading, "leaving_float", [address], .verdict) }
  var external: SetSpec { named(.masquerading, "external", [address], .fields([address])) }
  var masquerade: SetSpec { named(.masquerading, "masquerade", [address], .verdict) }
  var admitted: SetSpec { named(.forwarding, "admitted", [address]) }
  /// The address of a name server: chain that limits which bridge may query it.
  var served: SetSpec { named(.nameServers, "served", [address], .verdict) }
  /// The addresses of other hosts, with the UDP port of their tunnels.
  var tunnelHosts: SetSpec { named(.tunnels, "tunnel_hosts", [address, .port]) }
  /// The same, as earlier builds added them: each leads to its own chain.
  var tunnelPeers: SetSpec { named(.tunnels, "tunnel_peers", [address, .port], .verdict) }
  /// The link and the address of a container: chain that limits which connections it takes.
  var limitedIn: SetSpec { named(.policies, "limited_in", [.interface, address], .verdict) }
  /// The same for connections that it opens.
  var limitedOut: SetSpec { named(.policies, "limited_out", [.interface, address], .verdict) }
  /// The virtual address and port of a service: chain that chooses a back-end.
  var services: SetSpec { named(.services, "services", [address, .transport, .port], .verdict) }
  /// The same for ports of all addresses of the host.
  var publishedServices: SetSpec { named(.services, "published_services", [.transport, .port], .verdict) }
  /// A back-end's address: chain that masquerades connections whose replies would bypass the host.
  var servicesBack: SetSpec { named(.services, "services_back", [address], .verdict) }
  var links: SetSpec { named(.forwarding, "links", [address, address, .transport, .port]) }

  var all: [SetSpec] {
    [
      ports, bound, special, boundSpecial, chained, boundChained, spares, returning, neighbours, floating,
      leavingFloat, external, masquerade, admitted, links, served, tunnelPeers, tunnelHosts,
      limitedIn, limitedOut, services, publishedServices, servicesBack,
    ]
  }
}

extension FamilySets {
  fileprivate var postrouting: [NftRule] {
    let source = [Selector.address(.source, family)], destination = [Selector.address(.destination, family)]
    return [
      [.translated, .verdict(destination, returning)], [.translated, .verdict(destination, neighbours)],
      [.verdict(source, leavingFloat)], [.verdict(source, masquerade)],
    ]
  }

  fileprivate var admissions: [NftRule] {
    [
      [.member([.address(.destination, family)], admitted), .established, .accept],
      [.member([.address(.source, family)], admitted), .accept],
    ]
  }

  /// Rules that translate to published ports: first those of one address, then those of all addresses.
  fileprivate var translations: [NftRule] {
    [
      [.translate(.destination, family, [.address(.destination, family), .transport, .port], bound)],
      [.family(family), .translate(.destination, family, [.transport, .port], ports)],
    ]
  }
}

extension IPPrefix {
  /// The prefix 127.0.0.0/8.
  static let loopback = IPPrefix(IPAddress(v4: 127 << 24), length: 8) ?? .everything(.v4)

  /// The prefix of multicast addresses: 224.0.0.0/4 or ff00::/8.
  static func multicast(_ family: IPFamily) -> IPPrefix {
    switch family {
    case .v4: IPPrefix(IPAddress(v4: 224 << 24), length: 4) ?? .everything(.v4)
    case .v6: IPPrefix(IPAddress(v6: 0xFF << 120), length: 8) ?? .everything(.v6)
    }
  }
}
