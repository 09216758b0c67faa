public import NetTypes
public import PacketFilter

/// Writes changes as the shell commands that they equal: `ip`, `bridge`, `sysctl`, `ethtool`, `conntrack`.
///
/// What no command does is a comment. Commands for a namespace below `/run/netns` name it: `ip -n NAME`. `ip` takes no
/// path there, so that for other namespaces `nsenter --net=PATH` runs the command.
public struct CommandLines: Sendable {
  /// The container's namespace; `nil` if there is none.
  var container: NetNSName?
  /// The namespace that is used in place of the host's; `nil`: the host's own.
  var host: NetNSName?

  /// - Parameters:
  ///   - container: the path of the container's namespace.
  ///   - peerPath: the path of the namespace that is used in place of the host's.
  public init(container: String?, peerPath: String? = nil) {
    self.container = container.flatMap { $0.isEmpty ? nil : NetNSName(path: $0) }
    host = peerPath.map(NetNSName.init(path:))
  }

  /// The lines of one change, in order.
  ///
  /// - Parameters:
  ///   - change: what is done.
  ///   - rules: the lines that add packet filter rules.
  /// - Returns: commands, and comments for what no command does.
  /// - Throws: what `rules` throws.
  public func lines(
    of change: Change, rules: (RuleSet) throws(KernelError) -> [String]
  ) throws(KernelError) -> [String] {
    switch change {
    case .createLink(let spec): creation(of: spec)
    case .changeLink(let name, let netns, let wanted): lines(changing: name, on: netns, wanted)
    case .setVLANs(let vlans, let name): lines(setting: vlans, of: name)
    case .addAddress(let spec): addition(of: spec)
    case .deleteAddress(let spec): ["\(ip(spec.netns)) address delete \(spec.prefix) dev \(spec.interface)"]
    case .addRoute(let spec): [addition(of: spec)]
    case .deleteRoute(let spec): ["\(ip(spec.netns)) route delete \(spec.arguments)"]
    case .setNeighbour(let spec): [setting(spec)]
    case .deleteNeighbour(let spec): [deletion(of: spec)]
    case .setFDB(let spec): [setting(spec)]
    case .deleteFDB(let spec): ["\(bridge) fdb delete \(spec.arguments)"]
    case .setTunnelTables(let tables): try lines(setting: tables, rules: rules)
    case .updateTunnelTables(let update): try lines(of: update.changes, rules: rules)
    case .setChecksumOffload(let name, let isOn): ["\(prefix(.host))ethtool -K \(name) tx \(isOn ? "on" : "off")"]
    case .setSysctls(let settings, let netns): settings.map { line(setting: $0, on: netns) }
    case .enableRouteLocalnet(let name, _): [line(setting: .routeLocalnet(name, "1"), on: .host)]
    case .disableRouteLocalnet(let name, _): [line(setting: .routeLocalnet(name, "0"), on: .host)]
    case .addLoopbackRoute(let name): ["\(ip(.host)) -6 route add local ::1 dev \(name) table local || true"]
    case .announce(_, let mac, let name): ["# \(change):", "\(ip(.container)) link set dev \(name) address \(mac)"]
    case .deleteConntrackEntries(let connections): lines(forgetting: connections)
    case .addRules(let ruleSet): try rules(ruleSet)
    case .setRules(let ruleSet), .updateRules(_, let ruleSet): ["# \(change):"] + (try rules(ruleSet))
    case .deleteLink(let name, let netns): ["\(ip(netns)) link delete dev \(name)"]
    case .deleteUnusedBridge, .deleteUnroutedLink, .awaitRunning, .awaitDAD, .awaitFDBRemoval, .removeRules,
      .removeReferencePluginRules, .removeStaleRules:
      ["# \(change)"]
    }
  }

  /// The words before a command that make it run in the namespace of `netns`.
  func prefix(_ netns: NetNS) -> String { namespace(netns).map { "nsenter --net=\($0.path.shellWord) " } ?? "" }

  func ip(_ netns: NetNS) -> String { iproute2("ip", netns) }

  /// Bridges are on the host.
  var bridge: String { iproute2("bridge", .host) }

  private func iproute2(_ command: String, _ netns: NetNS) -> String {
    guard let namespace = namespace(netns) else { return command }
    return namespace.name.map { "\(command) -n \($0.shellWord)" } ?? prefix(netns) + command
  }

  private func namespace(_ netns: NetNS) -> NetNSName? { netns == .container ? container : host }
}

/// A network namespace by its path, and as `ip netns` lists it.
struct NetNSName: Equatable, Sendable {
  var path: String

  init(path: String) { self.path = path }

  /// The name below `/run/netns`; `nil` if it is elsewhere.
  var name: String? {
    for directory in StatePaths.namespaceSpellings where path.hasPrefix("\(directory)/") {
      let name = path.dropFirst(directory.count + 1)
      return name.isEmpty || name.contains("/") ? nil : String(name)
    }
    return nil
  }
}

extension String {
  /// The text as one word of `sh`.
  public var shellWord: String {
    let isPlain =
      !isEmpty
      && unicodeScalars.allSatisfy { scalar in
        scalar.isASCII
          && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar)
            || "-_./:=,+@%".unicodeScalars.contains(scalar))
      }
    guard !isPlain else { return self }
    return "'" + split(separator: "'", omittingEmptySubsequences: false).joined(separator: #"'\''"#) + "'"
  }
}

extension CommandLines {
  /// `ip link add …`.
  func creation(of spec: LinkSpec) -> [String] {
    let settings = [
      spec.mac.map { "address \($0)" }, spec.mtu.map { "mtu \($0)" }, spec.group.map { "group \($0)" },
    ].compactMap { $0 }
    let words = ([spec.name.description.shellWord] + settings).joined(separator: " ")
    return switch spec.kind {
    case .bridge(let filtersVLANs):
      ["\(ip(.host)) link add \(words) type bridge\(filtersVLANs ? " vlan_filtering 1" : "")"]
        + alias(of: spec) + [learningLimit(of: spec.name)]
    case .veth(let peer):
      ["\(ip(.host)) link add \(words) type veth peer name \(arguments(of: peer, mtu: spec.mtu))"] + alias(of: spec)
    case .childLink(let childLink, let parent):
      [
        "\(ip(parent.netns)) link add link \(parent.name) name \(words)"
          + "\(move(from: parent.netns, to: spec.netns)) type \(childLink.arguments)"
      ] + alias(of: spec)
    case .dummy: ["\(ip(spec.netns)) link add \(words) type dummy"] + alias(of: spec)
    case .vxlan(let vxlan, let link):
      [
        "\(ip(.host)) link add \(words) type \(vxlan)\(link.map { " dev \($0)" } ?? "")"
          + (vxlan.learns ? " maxaddress \(VXLAN.maxLearnedEntries)" : "")
      ] + alias(of: spec)
    case .vrf(let table): ["\(ip(.host)) link add \(words) type vrf table \(table)"] + alias(of: spec)
    }
  }

  private func alias(of spec: LinkSpec) -> [String] {
    spec.alias.map { ["\(ip(spec.netns)) link set dev \(spec.name) alias \($0.shellWord)"] } ?? []
  }

  /// Older versions of `ip` and of the kernel do not have the option, and the plugin goes on without it.
  private func learningLimit(of bridge: InterfaceName) -> String {
    "\(ip(.host)) link set dev \(bridge) type bridge fdb_max_learned \(LinkSpec.maxLearnedEntries)"
      + " 2>/dev/null || true  # ip of iproute2 6.8 or later"
  }

  private func arguments(of peer: LinkSpec.Peer, mtu: Int?) -> String {
    let words = [
      peer.name.description.shellWord, peer.mac.map { "address \($0)" }, mtu.map { "mtu \($0)" },
    ]
    return words.compactMap { $0 }.joined(separator: " ") + move(from: .host, to: peer.netns)
  }

  private func move(from netns: NetNS, to other: NetNS) -> String {
    guard netns == .host, other == .container, let container else { return "" }
    return " netns \((container.name ?? container.path).shellWord)"
  }

  /// `ip link set …`, then `bridge link set …` for settings of a bridge port.
  func lines(changing name: InterfaceName, on netns: NetNS, _ change: LinkChange) -> [String] {
    let words = [
      change.mtu.map { "mtu \($0)" }, change.txQueueLength.map { "txqueuelen \($0)" },
      change.mac.map { "address \($0)" }, change.alias.map { "alias \($0.shellWord)" },
      change.group.map { "group \($0)" }, change.master.map { "master \($0)" },
      change.isPromiscuous.map { "promisc \($0.word)" }, change.isAllMulticast.map { "allmulticast \($0.word)" },
      change.isUp.map { $0 ? "up" : "down" },
    ].compactMap { $0 }
    let port = [
      change.port.hairpin.map { "hairpin \($0.word)" }, change.port.isolated.map { "isolated \($0.word)" },
      change.port.learning.map { "learning \($0.word)" },
      change.port.neighSuppress.map { "neigh_suppress \($0.word)" }, change.port.locked.map { "locked \($0.word)" },
    ].compactMap { $0 }
    var lines: [String] = []
    if !words.isEmpty { lines.append("\(ip(netns)) link set dev \(name) \(words.joined(separator: " "))") }
    if let local = change.local { lines.append("\(ip(netns)) link set dev \(name) type vxlan local \(local)") }
    if !port.isEmpty { lines.append("\(bridge) link set dev \(name) \(port.joined(separator: " "))") }
    return lines
  }

  /// `bridge vlan …`.
  func lines(setting vlans: PortVLANs, of name: InterfaceName) -> [String] {
    let native = vlans.native.map { ["\(bridge) vlan add dev \(name) vid \($0) pvid untagged"] } ?? []
    let tagged = vlans.tagged.map { range in
      let isOne = range.lowerBound == range.upperBound
      return "\(bridge) vlan add dev \(name) vid \(range.lowerBound)\(isOne ? "" : "-\(range.upperBound)")"
    }
    guard !vlans.keepsDefault, let one = VLANID(1), vlans.native != one, !vlans.contains(tagged: one) else {
      return native + tagged
    }
    return native + tagged + ["\(bridge) vlan delete dev \(name) vid 1 || true"]
  }
}

extension Bool {
  /// As iproute2 writes a switch.
  fileprivate var word: String { self ? "on" : "off" }
}

extension ChildLink {
  /// As `ip link add … type` takes it.
  fileprivate var arguments: String {
    switch self {
    case .macvlan(let macvlan):
      "macvlan mode \(macvlan.mode.arguments)\(macvlan.broadcastQueue.map { " bcqueuelen \($0)" } ?? "")"
    case .ipvlan(let ipvlan): "ipvlan mode \(ipvlan.mode.rawValue) \(ipvlan.flag.rawValue)"
    case .vlan(let id): "vlan id \(id)"
    }
  }
}

extension Macvlan.Mode {
  fileprivate var arguments: String {
    guard case .source(let allowed) = self else { return description }
    guard !allowed.isEmpty else { return "source" }
    return "source macaddr set \(allowed.map { $0.description }.joined(separator: " "))"
  }
}

extension CommandLines {
  /// `ip address add …`.
  func addition(of spec: AddressSpec) -> [String] {
    let prefix = spec.prefix
    var words = ["\(prefix)"]
    if prefix.family == .v4, prefix.hostBits >= 2 { words.append("broadcast \(prefix.last)") }
    words.append("dev \(spec.interface)")
    if prefix.family == .v6, spec.skipsDAD { words.append("nodad") }
    if prefix.family == .v6, !spec.isSource { words.append("preferred_lft 0") }
    if !spec.addsSubnetRoute { words.append("noprefixroute") }
    let line = "\(ip(spec.netns)) address add \(words.joined(separator: " "))"
    return spec.isAnnounced ? [line, "# announce \(prefix.address) on \(spec.interface)"] : [line]
  }

  /// `ip route add …`; a second default route goes before the first, as `ip route prepend` does it.
  func addition(of spec: RouteSpec) -> String {
    "\(ip(spec.netns)) route \(spec.dst.length == 0 ? "prepend" : "add") \(spec.arguments)"
  }

  /// `ip neighbour replace …`.
  func setting(_ spec: NeighbourSpec) -> String {
    guard let mac = spec.mac else {
      return "\(ip(spec.netns)) neighbour replace proxy \(spec.address) dev \(spec.interface)"
    }
    return "\(ip(spec.netns)) neighbour replace \(spec.address) lladdr \(mac) dev \(spec.interface) nud permanent"
  }

  func deletion(of spec: NeighbourSpec) -> String {
    "\(ip(spec.netns)) neighbour delete \(spec.mac == nil ? "proxy " : "")\(spec.address) dev \(spec.interface)"
      + (spec.isAnyEntry ? " || true" : "")
  }

  /// `bridge fdb replace …`; an address of zeros may have several tunnel ends, so that one more is appended.
  func setting(_ spec: FDBSpec) -> String {
    "\(bridge) fdb \(spec.mac.isZero ? "append" : "replace") \(spec.arguments)\(spec.state)"
  }

  /// What makes empty tables like these.
  func lines(
    setting tables: TunnelTables, rules: (RuleSet) throws(KernelError) -> [String]
  ) throws(KernelError) -> [String] {
    var empty = TunnelTables(of: tables.device, neighboursOn: tables.neighbourLink)
    empty.directMetric = tables.directMetric
    return try lines(of: tables.changes(from: empty), rules: rules)
  }

  /// The lines of several changes: in order, but for entries of tables next to each other, which are sorted.
  public func lines(
    of changes: [Change], rules: (RuleSet) throws(KernelError) -> [String]
  ) throws(KernelError) -> [String] {
    var lines: [String] = []
    var entries: [String] = []
    for change in changes {
      let own = try self.lines(of: change, rules: rules)
      if change.isTableEntry, entries.isEmpty || entries.last?.verb == own.last?.verb {
        entries += own
        continue
      }
      lines += entries.sorted()
      entries = change.isTableEntry ? own : []
      if !change.isTableEntry { lines += own }
    }
    return lines + entries.sorted()
  }

  /// `sysctl -w …`; one that the plugin goes on without may fail.
  func line(setting sysctl: Sysctl, on netns: NetNS) -> String {
    let parts = sysctl.key.split(separator: "/", omittingEmptySubsequences: false)
    // A dot in an interface's name would be taken for a separator.
    let key = parts.contains { $0.contains(".") } ? sysctl.key : parts.joined(separator: ".")
    return "\(prefix(netns))sysctl -w \("\(key)=\(sysctl.value)".shellWord)\(sysctl.isOptional ? " || true" : "")"
  }

  /// `conntrack -D …`, which fails if there are none.
  func lines(forgetting connections: Set<ConntrackFilter>) -> [String] {
    connections.flatMap { one in
      let start = "\(prefix(.host))conntrack -D -f ipv\(one.family.digit)"
      let orig = one.address.map { " --orig-dst \($0)" } ?? ""
      guard let transport = one.transport else {
        return ["\(start)\(orig) || true", "\(start)\(one.address.map { " --reply-dst \($0)" } ?? "") || true"]
      }
      return ["\(start) -p \(transport)\(orig) --orig-port-dst \(one.port) || true"]
    }.sorted()
  }
}

extension Change {
  /// Whether it is about one route, neighbour entry or FDB entry; `TunnelTables` holds them in no order.
  fileprivate var isTableEntry: Bool {
    switch self {
    case .addRoute, .deleteRoute, .setNeighbour, .deleteNeighbour, .setFDB, .deleteFDB: true
    default: false
    }
  }
}

extension String {
  /// The first three words of a command: `ip route add`.
  fileprivate var verb: [Substring] { Array(split(separator: " ").prefix(3)) }
}

extension RouteSpec {
  /// As `ip route` takes it.
  var arguments: String {
    let isDefault = dst.length == 0 && dst.family == .v4
    let words = [
      isDefault ? "default" : "\(dst.network)", gateway.map { "via \($0)" }, "dev \(interface)",
      source.map { "src \($0)" }, priority.map { "metric \($0)" }, table.map { "table \($0)" },
      scope.map { "scope \($0.scopeName)" }, isOnLink ? "onlink" : nil, mtu.map { "mtu \($0)" },
      advmss.map { "advmss \($0)" },
    ]
    return words.compactMap { $0 }.joined(separator: " ")
  }
}

extension Int {
  /// The name of a route's scope (`rtnetlink(7)`); other numbers as they are.
  fileprivate var scopeName: String {
    switch self {
    case 0: "global"
    case 253: "link"
    case 254: "host"
    default: "\(self)"
    }
  }
}

extension FDBSpec {
  /// As `bridge fdb` takes it.
  var arguments: String {
    if case .tunnel(let end) = table {
      "\(mac) dev \(interface) dst \(end) self"
    } else {
      "\(mac) dev \(interface) master"
    }
  }

  /// How long the entry lives.
  fileprivate var state: String {
    switch table {
    case .master: " static"
    case .port: " static sticky"
    case .externallyLearned: " dynamic extern_learn"
    case .tunnel: " permanent"
    }
  }
}
