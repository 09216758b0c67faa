public import NetTypes
public import PacketFilter

extension CommandLines {
  /// `ip address add …`.
  func addition(of spec: AddressSpec) -> [String] {
    let prefix = spec.prefix
    var words = ["\(prefix)"]
    if prefix.family == .v4, prefix.hostBits >= 2 { words.append("broadcast \(prefix.last)") }
    words.append("dev \(spec.interface)")
    if prefix.family == .v6, spec.skipsDAD { words.append("nodad") }
    if prefix.family == .v6, !spec.isSource { words.append("preferred_lft 0") }
    if !spec.bringsSubnetRoute { words.append("noprefixroute") }
    let line = "\(ip(spec.side)) address add \(words.joined(separator: " "))"
    return spec.isAnnounced ? [line, "# announce \(prefix.address) on \(spec.interface)"] : [line]
  }

  /// `ip route add …`; a second default route goes before the first, as `ip route prepend` does it.
  func addition(of spec: RouteSpec) -> String {
    "\(ip(spec.side)) route \(spec.dst.length == 0 ? "prepend" : "add") \(spec.arguments)"
  }

  /// `ip neighbour replace …`.
  func setting(_ spec: NeighbourSpec) -> String {
    guard let mac = spec.mac else {
      return "\(ip(spec.side)) neighbour replace proxy \(spec.address) dev \(spec.interface)"
    }
    return "\(ip(spec.side)) neighbour replace \(spec.address) lladdr \(mac) dev \(spec.interface) nud permanent"
  }

  func deletion(of spec: NeighbourSpec) -> String {
    "\(ip(spec.side)) neighbour delete \(spec.mac == nil ? "proxy " : "")\(spec.address) dev \(spec.interface)"
  }

  /// `bridge fdb replace …`; an address of zeros may have several tunnel ends, so that one more is appended.
  func setting(_ spec: FDBSpec) -> String {
    "\(bridge) fdb \(spec.mac.isZero ? "append" : "replace") \(spec.arguments)\(spec.state)"
  }

  /// What makes empty tables like these.
  func lines(
    setting tables: TunnelTables, rules: (Claim) throws(KernelError) -> [String]
  ) throws(KernelError) -> [String] {
    var empty = TunnelTables(of: tables.device, neighboursOn: tables.neighbourLink)
    empty.directMetric = tables.directMetric
    return try lines(of: tables.changes(from: empty), rules: rules)
  }

  /// The lines of several changes: in order, but for entries of tables next to each other, which are sorted.
  public func lines(
    of changes: [Change], rules: (Claim) throws(KernelError) -> [String]
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
  func line(setting sysctl: Sysctl, on side: Side) -> String {
    let parts = sysctl.key.split(separator: "/", omittingEmptySubsequences: false)
    // A dot in an interface's name would be taken for a separator.
    let key = parts.contains { $0.contains(".") } ? sysctl.key : parts.joined(separator: ".")
    return "\(prefix(side))sysctl -w \("\(key)=\(sysctl.value)".shellWord)\(sysctl.isOptional ? " || true" : "")"
  }

  /// `conntrack -D …`, which fails if there are none.
  func lines(forgetting connections: Set<TrackedConnections>) -> [String] {
    connections.map { one in
      "\(prefix(.host))conntrack -D -f ipv\(one.family.digit) -p \(one.transport)"
        + "\(one.address.map { " --orig-dst \($0)" } ?? "") --orig-port-dst \(one.port) || true"
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
    return words.compactMap(\.self).joined(separator: " ")
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
