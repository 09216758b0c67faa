import NetTypes
import PacketFilter

/// What is there as long as anybody has rules: table `swift_cni`, its sets and the chains that look things up in them.
///
/// In family `inet`:
/// - `prerouting` and `output`, type nat, priority -90: after the host's own translations at -100. They look for
///   floating addresses, and what is for an address of this host goes to `publish`.
/// - `publish`: ports with conditions, ports of one address, ports of all, then `spare`.
/// - `spare`: a rule for each spare port, which other networks of its container publish too.
/// - `localnet`, type filter, priority -150: what comes for 127.0.0.0/8 from elsewhere is dropped, which the kernel lets
///   pass where a published port has set `route_localnet`. Answers to the host's own loopback have their destination
///   translated back at -100 only.
/// - `postrouting`, type nat, priority 100: return paths, floating addresses, masquerade.
/// - `forward`, type filter, priority 0: isolation, admission.
/// - `input`, type filter, priority 0: name servers, each asked by its own bridge alone.
/// - `vtep_input`, type filter, priority -150: the UDP ports of this host's VXLAN devices, which take packets of other
///   hosts alone.
/// - `vtep_forward`, type filter, priority -150: what containers send to such ports of other hosts is dropped.
/// - `anchor`: empty; every owner has an element that leads there.
///
/// In family `bridge`, for guarded sources only: `prerouting`, priority -300, and `check` for hardware addresses,
/// `sources` for others.
///
/// Whatever belongs to a container is an element, so that a change and a packet cost the same however many there are.
enum Layout {
  static let owners = SetSpec(name: "owners", key: [.interface], value: .verdict)
  static let guarded = SetSpec(table: .bridge, name: "guarded", key: [.interface], value: .verdict)
  /// The chain that others' declarations leave as it is.
  static let spare = "spare"
  /// Who wants a name server's port open; keys are hashes.
  static let servers = SetSpec(name: "servers", key: [.interface], value: .verdict)
  /// How the chains of name servers are called.
  static let servicePrefix = "serve_"
  /// The UDP ports that this host's VXLAN devices listen at.
  static let tunnels = SetSpec(name: "tunnels", key: [.port], value: .verdict)
  /// Those of them that take packets of any host.
  static let openTunnels = SetSpec(name: "open_tunnels", key: [.port], value: .verdict)
  /// One element for each network and port, and for each network and peer; keys are hashes.
  static let tunnelOwners = SetSpec(name: "tunnel_owners", key: [.interface], value: .verdict)
  /// Prefix of the names of chains for tunnels.
  static let tunnelPrefix = "vtep_"
  /// Prefixes of the names of chains that have keepers.
  static let keptPrefixes = [servicePrefix, tunnelPrefix]
  static let allowed = SetSpec(table: .bridge, name: "allowed", key: [.interface, .mac])

  /// Who guards addresses; keys are hashes.
  static let frameOwners = SetSpec(table: .bridge, name: "owners", key: [.interface], value: .verdict)
  /// Ports whose frames must come from given addresses.
  static let addressed = SetSpec(table: .bridge, name: "addressed", key: [.interface], value: .verdict)
  /// The chain that looks those up.
  static let sources = "sources"
  static func sources(_ family: IPFamily) -> SetSpec {
    SetSpec(table: .bridge, name: "sources\(family.digit)", key: [.interface, family == .v4 ? .v4 : .v6])
  }

  /// Parts that may isolate bridges.
  static let isolating = [Part.network, .firewall]

  static func entering(_ part: Part) -> SetSpec { byBridge("entering_\(part)") }
  static func leaving(_ part: Part) -> SetSpec { byBridge("leaving_\(part)") }
  static func isolated(_ part: Part) -> SetSpec { SetSpec(name: "isolated_\(part)", key: [.interface]) }
  /// One element for each owner and bridge; keys are hashes.
  static func isolators(_ part: Part) -> SetSpec { byBridge("isolators_\(part)") }

  private static func byBridge(_ name: String) -> SetSpec { SetSpec(name: name, key: [.interface], value: .verdict) }

  static var sets: [SetSpec] {
    [owners, servers, tunnels, openTunnels, tunnelOwners]
      + isolating.flatMap { [entering($0), leaving($0), isolated($0), isolators($0)] }
      + IPFamily.allCases.flatMap { FamilySets($0).all } + [guarded, allowed, frameOwners, addressed]
      + IPFamily.allCases.map(sources)
  }

  static func sets(_ table: Table) -> [SetSpec] { sets.filter { $0.table == table } }

  /// Makes the table so, whatever of it was there; elements and other chains stay.
  static func declaration(_ table: Table) -> [String] {
    let chains = table == .inet ? inetChains : bridgeChains
    return ["add table \(table.name)"] + sets(table).map(\.declaration)
      + chains.flatMap { chain in
        ["add chain \(table.name) \(chain.name)\(chain.hook)"]
          + (chain.name == spare ? [] : ["flush chain \(table.name) \(chain.name)"])
      }
      + chains.flatMap { chain in chain.rules.map { "add rule \(table.name) \(chain.name) \($0)" } }
  }

  /// Fails where somebody still has rules.
  static func deletion(_ table: Table) -> [String] {
    ["delete chain \(table.name) \(table.anchor)", "delete table \(table.name)"]
  }

  /// How the kernel counts the table's anchor when nobody has rules.
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
    let floating = each.map { "dnat \($0.word) to \($0.word) daddr map @\($0.floating.name)" }
    let incoming = floating + ["fib daddr type local jump publish"]
    return [
      Chain(name: "anchor", rules: []),
      Chain(name: spare, rules: []),
      Chain(
        name: "localnet", hook: " { type filter hook prerouting priority -150 ; }",
        rules: ["iifname != \"lo\" ip daddr 127.0.0.0/8 drop"]),
      Chain(name: "publish", rules: publishing),
      Chain(name: "prerouting", hook: " { type nat hook prerouting priority -90 ; }", rules: incoming),
      Chain(name: "output", hook: " { type nat hook output priority -90 ; }", rules: incoming),
      Chain(
        name: "postrouting", hook: " { type nat hook postrouting priority 100 ; }",
        rules: each.flatMap { sets in
          [
            "ct status dnat \(sets.word) daddr vmap @\(sets.returning.name)",
            "ct status dnat \(sets.word) daddr vmap @\(sets.neighbours.name)",
            "\(sets.word) saddr vmap @\(sets.leavingFloat.name)",
            "\(sets.word) saddr vmap @\(sets.masquerade.name)",
          ]
        }),
      Chain(
        name: "input", hook: " { type filter hook input priority 0 ; }",
        rules: each.map { "\($0.word) daddr vmap @\($0.served.name)" }),
      Chain(
        name: "forward", hook: " { type filter hook forward priority 0 ; }",
        rules: isolating.flatMap {
          ["oifname vmap @\(entering($0).name)", "iifname vmap @\(leaving($0).name)"]
        }
          + each.flatMap { sets in
            [
              "\(sets.word) daddr @\(sets.admitted.name) ct state established,related accept",
              "\(sets.word) saddr @\(sets.admitted.name) accept",
            ]
          }),
    ] + tunnelChains
  }

  /// Absent from a table that an older build made, until a network's tunnel rules are added.
  static var tunnelChains: [Chain] {
    [
      Chain(
        name: "\(tunnelPrefix)input", hook: " { type filter hook input priority -150 ; }",
        rules: ["udp dport vmap @\(tunnels.name)"]),
      Chain(
        name: "\(tunnelPrefix)forward", hook: " { type filter hook forward priority -150 ; }",
        rules: Wanted.forwardingToTunnels),
    ]
  }

  private static var publishing: [String] {
    let each = IPFamily.allCases.map(FamilySets.init(_:))
    return each.flatMap { sets in conditional(sets.boundSpecial, sets.special, sets.word) }
      + each.flatMap { sets in
        [
          "dnat \(sets.word) to \(sets.word) daddr . meta l4proto . th dport map @\(sets.bound.name)",
          "meta nfproto \(sets.nfproto) dnat \(sets.word) to meta l4proto . th dport map @\(sets.ports.name)",
        ]
      } + ["jump \(spare)"]
  }

  /// Rules that look for a port among those with conditions, one address' first.
  static func conditional(_ bound: SetSpec, _ all: SetSpec, _ word: String) -> [String] {
    let nfproto = word == "ip" ? "ipv4" : "ipv6"
    return [
      "\(word) daddr . meta l4proto . th dport vmap @\(bound.name)",
      "meta nfproto \(nfproto) meta l4proto . th dport vmap @\(all.name)",
    ]
  }

  /// By `meta protocol`, which the tag of a VLAN does not hide: the host takes number 0 as no tag.
  ///
  /// What has a second tag is dropped: its addresses cannot be looked at.
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

  /// `ip` or `ip6`, as rules say it.
  var word: String { family == .v4 ? "ip" : "ip6" }
  var nfproto: String { family == .v4 ? "ipv4" : "ipv6" }
  private var address: Field.Kind { family == .v4 ? .v4 : .v6 }
  /// What stands for all addresses of the host where a key has a place for one.
  var anyAddress: IPAddress { family == .v4 ? IPAddress(v4: 0) : IPAddress(v6: 0) }

  private func named(_ name: String, _ key: [Field.Kind], _ value: SetSpec.Value = .none) -> SetSpec {
    SetSpec(name: name + family.digit, key: key, value: value)
  }

  var ports: SetSpec { named("ports", [.transport, .port], .fields([address, .port])) }
  var bound: SetSpec { named("bound", [address, .transport, .port], .fields([address, .port])) }
  /// Ports with conditions: each leads to a chain of its own, or to one of a given name.
  var special: SetSpec { named("special", [.transport, .port], .verdict) }
  var boundSpecial: SetSpec { named("bound_special", [address, .transport, .port], .verdict) }
  /// Where a chain of a given name looks for the ports that led to it.
  var chained: SetSpec { named("chained", [.transport, .port], .verdict) }
  var boundChained: SetSpec { named("bound_chained", [address, .transport, .port], .verdict) }
  /// Ports that other networks of the container publish too, by whose they are; a hash.
  var spares: SetSpec { named("spares", [.interface, address, .transport, .port], .verdict) }
  /// By the container's address: whose connections to its published ports are masqueraded.
  var returning: SetSpec { named("returning", [address], .verdict) }
  /// By the container's address: whose connections to its floating address are masqueraded.
  var neighbours: SetSpec { named("neighbours", [address], .verdict) }
  var floating: SetSpec { named("floating", [address], .fields([address])) }
  var leavingFloat: SetSpec { named("leaving_float", [address], .verdict) }
  var external: SetSpec { named("external", [address], .fields([address])) }
  var masquerade: SetSpec { named("masquerade", [address], .verdict) }
  var admitted: SetSpec { named("admitted", [address]) }
  /// By the address of a name server: the chain that says who may ask it.
  var served: SetSpec { named("served", [address], .verdict) }
  /// Other hosts and the UDP port of their tunnels.
  var tunnelPeers: SetSpec { named("tunnel_peers", [address, .port], .verdict) }
  var links: SetSpec { named("links", [address, address, .transport, .port]) }

  var all: [SetSpec] {
    [
      ports, bound, special, boundSpecial, chained, boundChained, spares, returning, neighbours, floating,
      leavingFloat, external, masquerade, admitted, links, served, tunnelPeers,
    ]
  }
}
