import CNI
import Kernel
import NetTypes
import PacketFilter

extension [Rule] {
  var ports: [PublishedPort] {
    compactMap { if case .publish(let port) = $0 { port } else { nil } }
  }
}

extension Rule {
  /// Whether the rule needs something in that table.
  func needs(_ table: TableName) -> Bool {
    switch self {
    case .masquerade(let rule): table == TableName(.nat, rule.address.family)
    case .isolate: table.kind == .filter
    case .link(let link): table == TableName(.filter, link.to.family)
    case .guardSource, .guardAddresses, .guardTunnel, .trust, .limit, .join, .balance: false
    case .publish(let port): table == TableName(.nat, port.family)  // its loopback guard is shared by all ports
    case .float(let floating): table == TableName(.nat, floating.external.family)
    case .admit(let admission): table == TableName(.filter, admission.address.family)
    case .serve(let service): table == TableName(.filter, service.address.family)
    case .pass(let passage): table == TableName(.filter, passage.subnet.family)
    }
  }
}

extension Table {
  /// The published ports in this table that conflict with one of `ports`; all published ports if that is `nil`.
  func holders(of ports: [PublishedPort]?) -> [PortHolder] {
    let index = ports.map { PortIndex($0) }
    return portChains.flatMap { chain in
      rules(in: chain).compactMap { rule -> PortHolder? in
        guard let port = rule.publishedPort, index == nil || index?.conflict(with: port) != nil else { return nil }
        return rule.comment.flatMap { Self.tag($0) }.map { PortHolder(port, tag: $0) }
      }
    }
  }

  /// - Parameters:
  ///   - ports: the ports that are to be published.
  ///   - owner: their future owner.
  /// - Throws: EEXIST if one of `ports` is published already, except a spare port by the same container.
  func checkConflicts(with ports: [PublishedPort], of owner: AttachmentID) throws(KernelError) {
    guard !ports.isEmpty else { return }
    for holder in holders(of: ports) {
      let isSameContainer = holder.tag != owner.filterTag && owner.isSameContainer(asFilterTag: holder.tag)
      let port = ports.first { $0.conflicts(with: holder.port) && !($0.isSpare && isSameContainer) }
      guard let port else { continue }
      throw KernelError(
        "publish \(port)", errno: .EEXIST, reason: "\(holder.tag) has \(holder.port); want a free port")
    }
  }

  /// Whether any port is published.
  var hasPublishedPorts: Bool {
    portChains.contains { chain in
      firstIndex(in: chain) { $0.publishedPort != nil && $0.comment.flatMap { Self.tag($0) } != nil } != nil
    }
  }

  /// The tag in the comment of an owner's rule, of that role or (`nil`) of any role.
  static func tag(_ comment: String, _ role: PluginRole? = nil) -> String? {
    let words = comment.split(separator: " ", maxSplits: 2)
    guard comment.hasPrefix(AttachmentID.tagPrefix), !comment.hasPrefix(Layout.sharedPrefix), words.count > 1,
      let commentRole = PluginRole(rawValue: String(words[1])), commentRole == role ?? commentRole
    else { return nil }
    return String(words[0])
  }
}

/// An index of published ports, for repeated conflict checks.
struct PortIndex {
  private var ports: [Int: [PublishedPort]] = [:]

  init(_ ports: [PublishedPort] = []) { ports.forEach { insert($0) } }

  mutating func insert(_ port: PublishedPort) { ports[Self.key(port), default: []].append(port) }

  func conflict(with port: PublishedPort) -> PublishedPort? {
    ports[Self.key(port)]?.first(where: port.conflicts)
  }

  private static func key(_ port: PublishedPort) -> Int { Int(port.hostPort) << 8 | Int(port.transport.number) }
}

/// The contents of a table, for checks of many items.
struct TableContents {
  /// A rule's key; `Set` would hash an array of bytes one by one, this hashes them at once.
  private struct Key: Hashable {
    var bytes: [UInt8]

    func hash(into hasher: inout Hasher) {
      unsafe bytes.withUnsafeBytes { unsafe hasher.combine(bytes: $0) }
    }
  }

  private let chains: Set<String>
  private var rules: [String: Set<Key>] = [:]
  private var filled: [String: [[UInt8]]] = [:]

  /// - Parameters:
  ///   - table: the table that is read.
  ///   - items: the items that may be checked.
  init(_ table: borrowing Table, for items: [PlanItem]) {
    chains = Set(table.chains)
    for item in items {
      switch item {
      case .chain, .existing: break
      case .filled(let filledChain): filled[filledChain.chain] = table.rules(in: filledChain.chain).map { $0.key }
      case .shared(_, let chain, _), .owned(_, let chain, _): read(chain, of: table)
      case .foreign(let foreign): read(foreign.from, of: table)
      }
    }
  }

  private mutating func read(_ chain: String, of table: borrowing Table) {
    if rules[chain] == nil { rules[chain] = Set(table.rules(in: chain).map { Key(bytes: $0.key) }) }
  }

  /// Whether the table has that item.
  func has(_ item: PlanItem) -> Bool {
    switch item {
    case .chain(let chain), .existing(let chain): chains.contains(chain)
    case .filled(let filledChain): filled[filledChain.chain] == filledChain.rules.map { $0.key }
    case .shared(let rule, let chain, _), .owned(let rule, let chain, _): has(rule, in: chain)
    case .foreign(let foreign):
      has(foreign.jumpToCreated, in: foreign.from) || has(foreign.jumpToExisting, in: foreign.from)
    }
  }

  private func has(_ rule: TableRule, in chain: String) -> Bool {
    rules[chain]?.contains(Key(bytes: rule.key)) ?? false
  }
}
