import CNI
import Kernel
import NetTypes
import PacketFilter

/// The present content of our tables.
enum PresentRuleset {
  /// Whether any owner has rules.
  static func hasRules(in socket: borrowing RulesetSocket) throws(KernelError) -> Bool {
    for table in Table.allCases where try socket.uses(of: table.anchor, table) != nil { return true }
    return false
  }

  /// The elements of all sets whose comment satisfies `fits`.
  static func elements(
    in socket: borrowing RulesetSocket, where fits: (String) -> Bool
  ) throws(KernelError) -> [Element] {
    var elements: [Element] = []
    for table in Table.allCases where try socket.uses(of: table.anchor, table) != nil {
      for set in try Layout.sets(table) + (table == .inet ? PeerSets.all(in: socket) : []) {
        elements += try socket.elements(of: set).filter { fits($0.comment) }.compactMap { Element($0, in: set) }
      }
    }
    return elements
  }

  /// Whether the part exists; some of it may be missing.
  static func has(_ part: Layout.Part, in socket: borrowing RulesetSocket) throws(KernelError) -> Bool {
    try socket.uses(of: part.mainChain, part.table) != nil
  }

  /// Whether the chains of the part exist and have the expected number of rules.
  static func hasChains(of part: Layout.Part, in socket: borrowing RulesetSocket) throws(KernelError) -> Bool {
    // A table without this chain guards hardware addresses only.
    let sources = part == .guards ? try socket.uses(of: Layout.sources, part.table) : nil
    let lacksSources = part == .guards && sources == nil
    for chain in part.chains {
      if lacksSources, chain.name == Layout.sources { continue }
      guard let uses = try socket.uses(of: chain.name, part.table) else { return false }
      if chain.name == Layout.spare { continue }
      let expectedCount = lacksSources && chain.hook != nil ? 1 : chain.rules.count
      guard try socket.ruleCount(of: chain.name, part.table) == expectedCount else { return false }
      // The forwarding chain of an earlier version has as many rules, but none that leads here.
      if chain.hook == nil, chain.name.hasPrefix(Layout.tunnelPrefix), uses == expectedCount { return false }
    }
    return true
  }

  /// Whether the chain, its companions and its entry elements are complete.
  static func isComplete(_ chain: SharedChain, in socket: borrowing RulesetSocket) throws(KernelError) -> Bool {
    for one in chain.companions + [.init(name: chain.name, rules: chain.rules)] {
      guard try socket.uses(of: one.name, .inet) != nil,
        try socket.ruleCount(of: one.name, .inet) == expectedRules(of: one, in: socket)
      else { return false }
    }
    for entryElement in chain.entryElements {
      guard let existing = try socket.element(entryElement.key, of: entryElement.set), existing.matches(entryElement)
      else { return false }
    }
    return true
  }

  private static func expectedRules(
    of chain: SharedChain.Companion, in socket: borrowing RulesetSocket
  ) throws(KernelError) -> Int {
    guard ServiceChains.Name(chain.name) != nil else { return chain.rules.count }
    return ServiceChains.rule(chain.name, try socket.takingMembers(of: chain.name)) == nil ? 0 : 1
  }

  /// Deletions of all shared chains that no owner's element leads to; each is run as a transaction of its own.
  ///
  /// The kernel's use counts select them. If a chain is needed after all, the kernel refuses to delete it.
  static func unusedChainDeletions(in socket: borrowing RulesetSocket) throws(KernelError) -> [[RulesetChange]] {
    let fixed = Set(Layout.chains(.inet).map { $0.name })
    let all = try socket.chains(.inet).filter { !fixed.contains($0.name) && !isCompanion($0.name) }
    // Chains of policies look up the sets of peers, so they go first.
    let isOfPeer = { (chain: ListedChain) in PeerSets.prefixes.contains(where: chain.name.hasPrefix) }
    let chains = all.filter { !isOfPeer($0) } + all.filter { isOfPeer($0) }
    var deletions: [[RulesetChange]] = []
    var dumps = Dumps()
    for chain in chains {
      let companion = companion(of: chain.name)
      let hasEntryElements = companion != nil || Layout.entryElementPrefixes.contains(where: chain.name.hasPrefix)
      let jumps = chain.uses - (try socket.ruleCount(of: chain.name, .inet))
      guard jumps <= (hasEntryElements ? maximumEntryJumps : 0) else { continue }
      let entryElements = hasEntryElements ? try entryElements(of: chain.name, in: socket, &dumps) : []
      guard jumps <= entryElements.count(where: { $0.value == .jump(chain.name) }) else { continue }
      let names = [chain.name] + [companion].compactMap { $0 }
      deletions.append(
        entryElements.map { .deleteElement($0) } + names.map { .deleteChain(.inet, $0) }
          + PeerSets.sets(of: chain.name).flatMap { $0.removal })
    }
    return deletions
  }

  /// Deletions of tunnels' hosts whose chain an earlier version has deleted; each is run as a transaction of its own.
  ///
  /// It fails if an owner has added the chain again meanwhile.
  static func strayHostDeletions(in socket: borrowing RulesetSocket) throws(KernelError) -> [[RulesetChange]] {
    var hosts: [Element] = []
    for set in Layout.tunnelHosts { hosts += try socket.elements(of: set).compactMap { Element($0, in: set) } }
    guard !hosts.isEmpty else { return [] }
    let chains = Set(try socket.chains(.inet).map { $0.name })
    return hosts.filter { !chains.contains($0.comment) }.map {
      [.addChain(.inet, $0.comment), .deleteElement($0), .deleteChain(.inet, $0.comment)]
    }
  }

  /// Two entry elements lead to one chain: those of a network's bridge and of its partner.
  static let maximumEntryJumps = 2

  private static func entryElements(
    of chain: String, in socket: borrowing RulesetSocket, _ dumps: inout Dumps
  ) throws(KernelError) -> [Element] {
    let sets =
      if chain.hasPrefix(Layout.servicePrefix) {
        IPFamily.allCases.map { FamilySets($0).served }
      } else if chain.hasPrefix(Layout.tunnelPrefix) {
        [Layout.tunnels, Layout.openTunnels] + Layout.tunnelHosts + IPFamily.allCases.map { FamilySets($0).tunnelPeers }
      } else if chain.hasPrefix(LinkPolicies.prefix) {
        LinkPolicies.maps
      } else if chain.hasPrefix(ServiceChains.prefix) {
        IPFamily.allCases.flatMap { [FamilySets($0).services, FamilySets($0).publishedServices] }
      } else {
        Layout.isolating.flatMap { [Layout.entering($0), Layout.leaving($0), Layout.isolated($0)] }
      }
    var entryElements: [Element] = []
    for set in sets { entryElements += try dumps.elements(of: set, commented: chain, in: socket) }
    return entryElements
  }

  /// The elements of sets by their comments; each set is dumped once, whatever the number of chains.
  private struct Dumps {
    private var bySet: [String: [String: [Element]]] = [:]

    mutating func elements(
      of set: SetSpec, commented comment: String, in socket: borrowing RulesetSocket
    ) throws(KernelError) -> [Element] {
      if bySet[set.qualifiedName] == nil {
        let elements = try socket.elements(of: set).compactMap { Element($0, in: set) }
        bySet[set.qualifiedName] = Dictionary(grouping: elements, by: { $0.comment })
      }
      return bySet[set.qualifiedName]?[comment] ?? []
    }
  }

  private static func isCompanion(_ chain: String) -> Bool { chain.hasPrefix("leave_") }

  private static func companion(of chain: String) -> String? {
    chain.hasPrefix("enter_") ? "leave_" + chain.dropFirst("enter_".count) : nil
  }
}

extension Element {
  /// `nil` if this program could not have added the element.
  init?(_ listed: ListedElement, in set: SetSpec) {
    guard let key = [Field](set.key, bytes: listed.key) else { return nil }
    let value: Value
    switch (set.value, listed.value) {
    case (.none, .none): value = .none
    case (.verdict, .jump(let chain)): value = .jump(chain)
    case (.fields(let kinds), .bytes(let bytes)):
      guard let fields = [Field](kinds, bytes: bytes) else { return nil }
      value = .fields(fields)
    default: return nil
    }
    self.init(set: set, key: key, value: value, comment: listed.comment)
  }
}

extension PresentRuleset {
  /// The published ports that conflict with one of `ports`; all published ports if `ports` is `nil`.
  static func holders(
    of ports: [PublishedPort]?, in socket: borrowing RulesetSocket
  ) throws(KernelError) -> [PortHolder] {
    guard try socket.uses(of: Table.inet.anchor, .inet) != nil else { return [] }
    guard let ports else { return try all(in: socket) }
    var holders: [PortHolder] = []
    for family in IPFamily.allCases {
      let requested = ports.filter { $0.family == family }
      if requested.isEmpty { continue }
      var elements = try conflicting(requested, FamilySets(family), in: socket)
      elements += try all(of: [FamilySets(family).spares], in: socket)
      // A port at all addresses conflicts with the same port at any single address.
      if requested.contains(where: { $0.hostIP == nil }) {
        elements += try all(of: FamilySets(family).allBound, in: socket)
      }
      holders += elements.compactMap(PortHolder.init(_:)).filter { holder in
        requested.contains { $0.conflicts(with: holder.port) }
      }
      for port in requested {
        let key = [Field.transport(port.transport), .port(port.hostPort)], set = FamilySets(family).publishedServices
        let existing = try socket.element(key, of: set).flatMap { Element($0, in: set) }
        holders += try services([existing].compactMap { $0 }, in: socket)
      }
    }
    return holders
  }

  private static func all(in socket: borrowing RulesetSocket) throws(KernelError) -> [PortHolder] {
    var holders: [PortHolder] = []
    for sets in IPFamily.allCases.map(FamilySets.init(_:)) {
      let elements = try all(of: [sets.ports, sets.spares] + sets.byChain + sets.allBound, in: socket)
      holders += elements.compactMap(PortHolder.init(_:))
      holders += try services(try all(of: [sets.publishedServices], in: socket), in: socket)
    }
    return holders
  }

  /// The ports of the host that lead to services, each with a back-end.
  private static func services(
    _ entries: [Element], in socket: borrowing RulesetSocket
  ) throws(KernelError) -> [PortHolder] {
    var holders: [PortHolder] = []
    for entry in entries {
      guard case .jump(let chain) = entry.value, case .transport(let transport) = entry.key.first,
        case .port(let port) = entry.key.last,
        let backEnd = try all(of: ServiceChains.sets(of: chain), in: socket).first,
        let owner = ElementOwner(comment: backEnd.comment), case .address(let address) = backEnd.key.first,
        case .port(let target) = backEnd.key.last
      else { continue }
      holders.append(
        PortHolder(PublishedPort(transport, hostPort: port, to: address, target), tag: owner.tag, isService: true))
    }
    return holders
  }

  private static func all(
    of sets: [SetSpec], in socket: borrowing RulesetSocket
  ) throws(KernelError) -> [Element] {
    var elements: [Element] = []
    for set in sets {
      elements += try socket.elements(of: set).compactMap { Element($0, in: set) }
    }
    return elements
  }

  private static func conflicting(
    _ ports: [PublishedPort], _ sets: FamilySets, in socket: borrowing RulesetSocket
  ) throws(KernelError) -> [Element] {
    var elements: [Element] = []
    for port in ports {
      let key = [Field.transport(port.transport), .port(port.hostPort)]
      for set in [sets.ports] + sets.byChain {
        if let existing = try socket.element(key, of: set) {
          elements += [Element(existing, in: set)].compactMap { $0 }
        }
      }
      guard let address = port.hostIP else { continue }
      for set in sets.allBound {
        if let existing = try socket.element([.address(address)] + key, of: set) {
          elements += [Element(existing, in: set)].compactMap { $0 }
        }
      }
    }
    return elements
  }
}

extension FamilySets {
  fileprivate var byChain: [SetSpec] { [special, chained] }
  fileprivate var allBound: [SetSpec] { [bound, boundSpecial, boundChained] }
}

extension PortHolder {
  /// `nil` if the element is not an owner's published port, or leads to one only through another element.
  init?(_ element: Element) {
    guard let owner = ElementOwner(comment: element.comment) else { return nil }
    var key = element.key[...]
    var hostIP: IPAddress?
    // The key of a spare port begins with a hash.
    if element.set.isOfSpares { key = key.dropFirst() }
    if case .address(let address) = key.first {
      hostIP = address == FamilySets(address.family).anyAddress ? nil : address
      key = key.dropFirst()
    }
    guard case .transport(let transport) = key.first, case .port(let hostPort) = key.last,
      let (target, port) = element.value.target
    else { return nil }
    var published = PublishedPort(transport, hostIP: hostIP, hostPort: hostPort, to: target, port)
    published.isSpare = element.set.isOfSpares
    self.init(published, tag: owner.tag)
  }
}

extension Element.Value {
  /// The port's target: a map's value, or the address and port in the name of its own chain, `port_0a010002_80_…`.
  fileprivate var target: (IPAddress, UInt16)? {
    switch self {
    case .none: return nil
    case .fields(let fields):
      guard case .address(let address) = fields.first, case .port(let port) = fields.last else { return nil }
      return (address, port)
    case .jump(let chain):
      let parts = chain.split(separator: "_")
      guard parts.count == 4, parts[0] == "port", let port = UInt16(parts[2]) else { return nil }
      let digits = Array(parts[1])
      let bytes = stride(from: 0, to: digits.count - 1, by: 2).compactMap {
        UInt8(String(digits[$0...$0 + 1]), radix: 16)
      }
      return IPAddress(bytes: bytes).map { ($0, port) }
    }
  }
}
