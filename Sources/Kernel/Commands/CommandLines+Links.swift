import NetTypes

extension CommandLines {
  /// `ip link add …`.
  func creation(of spec: LinkSpec) -> [String] {
    let settings = [
      spec.mac.map { "address \($0)" }, spec.mtu.map { "mtu \($0)" }, spec.group.map { "group \($0)" },
    ].compactMap(\.self)
    let words = ([spec.name.description.shellWord] + settings).joined(separator: " ")
    return switch spec.kind {
    case .bridge(let filtersVLANs):
      ["\(ip(.host)) link add \(words) type bridge\(filtersVLANs ? " vlan_filtering 1" : "")"]
        + alias(of: spec) + [learningLimit(of: spec.name)]
    case .veth(let peer):
      ["\(ip(.host)) link add \(words) type veth peer name \(arguments(of: peer, mtu: spec.mtu))"] + alias(of: spec)
    case .upper(let upper, let parent):
      [
        "\(ip(parent.side)) link add link \(parent.name) name \(words)"
          + "\(move(from: parent.side, to: spec.side)) type \(upper.arguments)"
      ] + alias(of: spec)
    case .dummy: ["\(ip(spec.side)) link add \(words) type dummy"] + alias(of: spec)
    case .vxlan(let vxlan, let link):
      [
        "\(ip(.host)) link add \(words) type \(vxlan)\(link.map { " dev \($0)" } ?? "")"
          + (vxlan.learns ? " maxaddress \(VXLAN.mostLearned)" : "")
      ] + alias(of: spec)
    case .vrf(let table): ["\(ip(.host)) link add \(words) type vrf table \(table)"] + alias(of: spec)
    }
  }

  private func alias(of spec: LinkSpec) -> [String] {
    spec.alias.map { ["\(ip(spec.side)) link set dev \(spec.name) alias \($0.shellWord)"] } ?? []
  }

  /// Older versions of `ip` and of the kernel do not have the option, and the plugin goes on without it.
  private func learningLimit(of bridge: InterfaceName) -> String {
    "\(ip(.host)) link set dev \(bridge) type bridge fdb_max_learned \(LinkSpec.mostLearned)"
      + " 2>/dev/null || true  # ip of iproute2 6.8 or later"
  }

  private func arguments(of peer: LinkSpec.Peer, mtu: Int?) -> String {
    let words = [
      peer.name.description.shellWord, peer.mac.map { "address \($0)" }, mtu.map { "mtu \($0)" },
    ]
    return words.compactMap(\.self).joined(separator: " ") + move(from: .host, to: peer.side)
  }

  private func move(from side: Side, to other: Side) -> String {
    guard side == .host, other == .container, let container else { return "" }
    return " netns \((container.name ?? container.path).shellWord)"
  }

  /// `ip link set …`, then `bridge link set …` for settings of a bridge port.
  func lines(changing name: InterfaceName, on side: Side, _ change: LinkChange) -> [String] {
    let words = [
      change.mtu.map { "mtu \($0)" }, change.txQueueLength.map { "txqueuelen \($0)" },
      change.mac.map { "address \($0)" }, change.alias.map { "alias \($0.shellWord)" },
      change.group.map { "group \($0)" }, change.master.map { "master \($0)" },
      change.isPromiscuous.map { "promisc \($0.word)" }, change.isAllMulticast.map { "allmulticast \($0.word)" },
      change.isUp.map { $0 ? "up" : "down" },
    ].compactMap(\.self)
    let port = [
      change.port.hairpin.map { "hairpin \($0.word)" }, change.port.isolated.map { "isolated \($0.word)" },
      change.port.learning.map { "learning \($0.word)" },
      change.port.neighSuppress.map { "neigh_suppress \($0.word)" }, change.port.locked.map { "locked \($0.word)" },
    ].compactMap(\.self)
    var lines: [String] = []
    if !words.isEmpty { lines.append("\(ip(side)) link set dev \(name) \(words.joined(separator: " "))") }
    if let local = change.local { lines.append("\(ip(side)) link set dev \(name) type vxlan local \(local)") }
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

extension UpperLink {
  /// As `ip link add … type` takes it.
  fileprivate var arguments: String {
    switch self {
    case .macvlan(let macvlan):
      "macvlan mode \(macvlan.mode.arguments)\(macvlan.broadcastQueue.map { " bcqueuelen \($0)" } ?? "")"
    case .ipvlan(let ipvlan): "ipvlan mode \(ipvlan.mode) \(ipvlan.flag)"
    case .vlan(let id): "vlan id \(id)"
    }
  }
}

extension Macvlan.Mode {
  fileprivate var arguments: String {
    guard case .source(let allowed) = self else { return description }
    guard !allowed.isEmpty else { return "source" }
    return "source macaddr set \(allowed.map(\.description).joined(separator: " "))"
  }
}
