import NetTypes
import PacketFilter

/// The fixed part of the table `swift_cni`, present while any owner has rules: sets, and chains with lookups in them.
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
/// - `forward`, type filter, priority 0: isolation, admission.
/// - `input`, type filter, priority 0: name servers, each of which only its own bridge may query.
/// - `vtep_input`, type filter, priority -150: restricts the UDP ports of this host's VXLAN devices to packets from other
///   hosts.
/// - `vtep_forward`, type filter, priority -150: drops what containers send to such ports of other hosts.
/// - `anchor`: empty; every owner has an element that leads to it.
///
/// In family `bridge`, for guarded sources only: `prerouting`, priority -300, and `check` for hardware addresses,
/// `sources` for ARP and IP addresses.
///
/// Everything that belongs to a container is an element. So the cost of a change and of a packet does not depend on the
/// number of containers.
enum Layout {
  static let owners = SetSpec(name: "owners", key: [.interface], value: .verdict)
  static let guarded = SetSpec(table: .bridge, name: "guarded", key: [.interface], value: .verdict)
  /// The chain of spare ports; re-declaring the layout leaves its rules as they are.
  static let spare = "spare"
  /// One element for each owner that wants a name server's port open; keys are hashes.
  static let servers = SetSpec(name: "servers", key: [.interface], value: .verdict)
  /// The prefix of the names of chains for name servers.
  static let servicePrefix = "serve_"
  /// The UDP ports on which this host's VXLAN devices listen.
  static let tunnels = SetSpec(name: "tunnels", key: [.port], value: .verdict)
  /// Those of these ports that accept packets from any host.
  static let openTunnels = SetSpec(name: "open_tunnels", key: [.port], value: .verdict)
  /// One element for each network and port, and for each network and peer; keys are hashes.
  static let tunnelOwners = SetSpec(name: "tunnel_owners", key: [.interface], value: .verdict)
  /// Prefix of the names of chains for tunnels.
  static let tunnelPrefix = "vtep_"
  /// Prefixes of the names of chains that have entry elements.
  static let entryElementPrefixes = [servicePrefix, tunnelPrefix]
  static let allowed = SetSpec(table: .bridge, name: "allowed", key: [.interface, .mac])

  /// One element for each owner that guards addresses; keys are hashes.
  static let frameOwners = SetSpec(table: .bridge, name: "owners", key: [.interface], value: .verdict)
  /// Bridge ports whose frames must come from given addresses.
  static let addressed = SetSpec(table: .bridge, name: "addressed", key: [.interface], value: .verdict)
  /// The chain that looks up those addresses.
  static let sources = "sources"
  static func sources(_ family: IPFamily) -> SetSpec {
    SetSpec(table: .bridge, name: "sources\(family.digit)", key: [.interface, family == .v4 ? .v4 : .v6])
  }

  /// The roles that may isolate bridges.
  static let isolating = [PluginRole.network, .firewall]

  static func entering(_ role: PluginRole) -> SetSpec { byBridge("entering_\(role)") }
  static func leaving(_ role: PluginRole) -> SetSpec { byBridge("leaving_\(role)") }
  static func isolated(_ role: PluginRole) -> SetSpec { SetSpec(name: "isolated_\(role)", key: [.interface]) }
  /// One element for each owner and bridge; keys are hashes.
  static func isolators(_ role: PluginRole) -> SetSpec { byBridge("isolators_\(role)") }

  private static func byBridge(_ name: String) -> SetSpec { SetSpec(name: name, key: [.interface], value: .verdict) }

  static var sets: [SetSpec] {
    [owners, servers, tunnels, openTunnels, tunnelOwners]
      + isolating.flatMap { [entering($0), leaving($0), isolated($0), isolators($0)] }
      + IPFamily.allCases.flatMap { FamilySets($0).all } + [guarded, allowed, frameOwners, addressed]
      + IPFamily.allCases.map(sources)
  }

  static func sets(_ table: Table) -> [SetSpec] { sets.filter { $0.table == table } }

  /// Commands that create the table and its fixed chains, or refill them; elements and other chains stay.
  static func declaration(_ table: Table) -> [String] {
    let chains = table == .inet ? inetChains : bridgeChains
    return ["add table \(table.name)"] + sets(table).map(\.declaration)
      + chains.flatMap { chain in
        ["add chain \(table.name) \(chain.name)\(chain.hook)"]
          + (chain.name == spare ? [] : ["flush chain \(table.name) \(chain.name)"])
      }
      + chains.flatMap { chain in chain.rules.map { "add rule \(table.name) \(chain.name) \($0)" } }
  }

  /// Commands that fail if an owner still has rules.
  static func deletion(_ table: Table) -> [String] {
    ["delete chain \(table.name) \(table.anchor)", "delete table \(table.name)"]
  }

  /// The kernel's use count of the table's anchor if no owner has rules.
  static func idleUses(_ table: Table) -> Int {
    chains(table).first { $0.name == table.anchor }?.rules.count ?? 0
  }

  struct Chain {
    var name: String
    var hook = ""
    var rules: [String]
  }

  static func chains(_ table: Table) -> [Chain] { table == .inet ? inetChains : bridgeChains }

  private static var inetChains: [Chain] {
    let each = IPFamily.allCases.map(FamilySets.init(_:))
    let floating = each.map { "dnat \($0.keyword) to \($0.keyword) daddr map @\($0.floating.name)" }
    let incoming = floating + ["fib daddr type local jump publish"]
    return [
      Chain(name: "anchor", rules: []),
      Chain(name: spare, rules: []),
      Chain(
        name: "localnet", hook: " { type filter hook prerouting priority -150 ; }",
        rules: ["iifname != \"lo\" ip daddr 127.0.0.0/8 drop"]),
      Chain(name: "publish", rules: publishRules),
      Chain(name: "prerouting", hook: " { type nat hook prerouting priority -90 ; }", rules: incoming),
      Chain(name: "output", hook: " { type nat hook output priority -90 ; }", rules: incoming),
      Chain(
        name: "postrouting", hook: " { type nat hook postrouting priority 100 ; }",
        rules: each.flatMap { sets in
          [
            "ct status dnat \(sets.keyword) daddr vmap @\(sets.returning.name)",
            "ct status dnat \(sets.keyword) daddr vmap @\(sets.neighbours.name)",
            "\(sets.keyword) saddr vmap @\(sets.leavingFloat.name)",
            "\(sets.keyword) saddr vmap @\(sets.masquerade.name)",
          ]
        }),
      Chain(
        name: "input", hook: " { type filter hook input priority 0 ; }",
        rules: each.map { "\($0.keyword) daddr vmap @\($0.served.name)" }),
      Chain(
        name: "forward", hook: " { type filter hook forward priority 0 ; }",
        rules: isolating.flatMap {
          ["oifname vmap @\(entering($0).name)", "iifname vmap @\(leaving($0).name)"]
        }
          + each.flatMap { sets in
            [
              "\(sets.keyword) daddr @\(sets.admitted.name) ct state established,related accept",
              "\(sets.keyword) saddr @\(sets.admitted.name) accept",
            ]
          }),
    ] + tunnelChains
  }

  /// A table made by an earlier version lacks these chains until a network's tunnel rules are added.
  static var tunnelChains: [Chain] {
    [
      Chain(
        name: "\(tunnelPrefix)input", hook: " { type filter hook input priority -150 ; }",
        rules: ["udp dport vmap @\(tunnels.name)"]),
      Chain(
        name: "\(tunnelPrefix)forward", hook: " { type filter hook forward priority -150 ; }",
        rules: NftablesPlan.tunnelForwardRules),
    ]
  }

  private static var publishRules: [String] {
    let each = IPFamily.allCases.map(FamilySets.init(_:))
    return each.flatMap { sets in conditional(sets.boundSpecial, sets.special, sets.keyword) }
      + each.flatMap { sets in
        [
          "dnat \(sets.keyword) to \(sets.keyword) daddr . meta l4proto . th dport map @\(sets.bound.name)",
          "meta nfproto \(sets.nfproto) dnat \(sets.keyword) to meta l4proto . th dport map @\(sets.ports.name)",
        ]
      } + ["jump \(spare)"]
  }

  /// Rules that look up ports with conditions: first the ports of one address, then those of all addresses.
  static func conditional(_ bound: SetSpec, _ all: SetSpec, _ word: String) -> [String] {
    let nfproto = word == "ip" ? "ipv4" : "ipv6"
    return [
      "\(word) daddr . meta l4proto . th dport vmap @\(bound.name)",
      "meta nfproto \(nfproto) meta l4proto . th dport vmap @\(all.name)",
    ]
  }

  /// Matches `meta protocol`, which looks behind a VLAN tag: the host accepts frames with VLAN ID 0 as untagged.
  ///
  /// Frames with a second tag are dropped, because their addresses cannot be matched.
  private static var sourceRules: [String] {
    let v4 = sources(.v4).name, v6 = sources(.v6).name
    return [
      "meta protocol arp iifname . arp saddr ip @\(v4) return", "meta protocol arp arp saddr ip 0.0.0.0 return",
      "meta protocol ip iifname . ip saddr @\(v4) return", "meta protocol ip6 iifname . ip6 saddr @\(v6) return",
      "meta protocol ip6 ip6 saddr { ::, fe80::/10 } return", "meta protocol { arp, ip, ip6, 8021q, 8021ad } drop",
    ]
  }

  private static var bridgeChains: [Chain] {
    [
      Chain(name: "check", rules: ["iifname . ether saddr @\(allowed.name) return", "drop"]),
      Chain(name: sources, rules: sourceRules),
      Chain(
        name: "prerouting", hook: " { type filter hook prerouting priority -300 ; }",
        rules: ["iifname vmap @\(guarded.name)", "iifname vmap @\(addressed.name)"]),
    ]
  }
}

/// The sets of one address family.
struct FamilySets {
  var family: IPFamily
  init(_ family: IPFamily) { self.family = family }

  /// The keyword in rules: `ip` or `ip6`.
  var keyword: String { family == .v4 ? "ip" : "ip6" }
  var nfproto: String { family == .v4 ? "ipv4" : "ipv6" }
  private var address: Field.Kind { family == .v4 ? .v4 : .v6 }
  /// The value for all addresses of the host in a key that has an address component.
  var anyAddress: IPAddress { family == .v4 ? IPAddress(v4: 0) : IPAddress(v6: 0) }

  private func named(_ name: String, _ key: [Field.Kind], _ value: SetSpec.Value = .none) -> SetSpec {
    SetSpec(name: name + family.digit, key: key, value: value)
  }

  var ports: SetSpec { named("ports", [.transport, .port], .fields([address, .port])) }
  var bound: SetSpec { named("bound", [address, .transport, .port], .fields([address, .port])) }
  /// Ports with conditions: each leads to its own chain, or to a chain with a given name.
  var special: SetSpec { named("special", [.transport, .port], .verdict) }
  var boundSpecial: SetSpec { named("bound_special", [address, .transport, .port], .verdict) }
  /// The ports that a chain with a given name looks up.
  var chained: SetSpec { named("chained", [.transport, .port], .verdict) }
  var boundChained: SetSpec { named("bound_chained", [address, .transport, .port], .verdict) }
  /// Ports that other networks of the same container publish too; the key begins with a hash of the owner.
  var spares: SetSpec { named("spares", [.interface, address, .transport, .port], .verdict) }
  /// The container's address: chain that masquerades connections to the container's published ports.
  var returning: SetSpec { named("returning", [address], .verdict) }
  /// The container's address: chain that masquerades connections to the container's floating address.
  var neighbours: SetSpec { named("neighbours", [address], .verdict) }
  var floating: SetSpec { named("floating", [address], .fields([address])) }
  var leavingFloat: SetSpec { named("leaving_float", [address], .verdict) }
  var external: SetSpec { named("external", [address], .fields([address])) }
  var masquerade: SetSpec { named("masquerade", [address], .verdict) }
  var admitted: SetSpec { named("admitted", [address]) }
  /// The address of a name server: chain that limits which bridge may query it.
  var served: SetSpec { named("served", [address], .verdict) }
  /// The addresses of other hosts, with the UDP port of their tunnels.
  var tunnelPeers: SetSpec { named("tunnel_peers", [address, .port], .verdict) }
  var links: SetSpec { named("links", [address, address, .transport, .port]) }

  var all: [SetSpec] {
    [
      ports, bound, special, boundSpecial, chained, boundChained, spares, returning, neighbours, floating,
      leavingFloat, external, masquerade, admitted, links, served, tunnelPeers,
    ]
  }
}
