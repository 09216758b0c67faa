import CNI
import NetTypes
import Netfilter
import PacketFilter

/// The reference plugins' rules in nf_tables: in the tables that `iptables` shows, and in their own tables.
struct ReferenceSearch {
  /// Rules in chains that have rules of other programs too.
  private(set) var rules: [ForeignRule] = []
  /// Chains that hold only the reference plugins' rules.
  private(set) var chains: [ForeignChain] = []
  /// The containers' addresses, known before or found in rules.
  private(set) var addresses: Set<IPAddress>
  private let selection: ReferenceRules

  /// Looks for chains by their names first, since most hosts have none of them.
  init(_ selection: ReferenceRules, in socket: borrowing RulesetSocket) throws(KernelError) {
    self.selection = selection
    addresses = Set(selection.addresses)
    try findMasquerades(in: socket)
    if selection.roles.contains(.network), let names = selection.names { try findGuards(names, in: socket) }
    if selection.roles.contains(.ports) { try findPorts(in: socket) }
    if selection.roles.contains(.firewall) { try findAdmissions(in: socket) }
  }

  var isEmpty: Bool { rules.isEmpty && chains.isEmpty }

  /// The messages that remove all of it: first the rules that lead to a chain, then all rules of the chains, then the chains.
  var changes: [NftMessage] {
    rules.map { ForeignMessages.delete($0) } + chains.map { ForeignMessages.flush($0) }
      + chains.map { ForeignMessages.delete($0) }
  }

  /// Masquerade rules are read in any case, since they name the container's addresses.
  private mutating func findMasquerades(in socket: borrowing RulesetSocket) throws(KernelError) {
    let isWanted = selection.roles.contains(.network)
    for family in IPFamily.allCases {
      try findChains(
        selection.names.map { [$0.masqueradeChain] }, under: [ReferenceNames.masqueradeParent], .ip(family, "nat"),
        isWanted: isWanted, in: socket)
    }
    let table = ForeignTable(family: 1, name: "cni_plugins_masquerade")
    let masquerades = try socket.rules(of: ForeignChain(table: table, name: "masq_checks"))
      .filter { selection.covers(hashedComment: $0.comment) }
    addresses.formUnion(masquerades.compactMap { $0.source })
    if isWanted { rules += masquerades }
  }

  /// - Parameters:
  ///   - names: the names of the chains; `nil`: taken from the rules with a matching comment.
  ///   - parents: the chains with jumps to them.
  ///   - table: the table of all these chains.
  ///   - isWanted: whether they are to be removed.
  ///   - socket: the socket for the requests.
  /// - Throws: the kernel's error.
  private mutating func findChains(
    _ names: [String]?, under parents: [String], _ table: ForeignTable, isWanted: Bool,
    in socket: borrowing RulesetSocket
  ) throws(KernelError) {
    var foundChains: [ForeignChain] = []
    for name in names ?? [] {
      let chain = ForeignChain(table: table, name: name)
      if try socket.has(chain) { foundChains.append(chain) }
    }
    if names != nil, foundChains.isEmpty { return }
    for parent in parents {
      for rule in try socket.rules(of: ForeignChain(table: table, name: parent)) {
        let isJumpToChain = foundChains.contains { $0.name == rule.jump }
        guard isJumpToChain || selection.covers(comment: rule.comment) else { continue }
        if let source = rule.source { addresses.insert(source) }
        guard isWanted else { continue }
        rules.append(rule)
        if let jump = rule.jump, !isJumpToChain { foundChains.append(ForeignChain(table: table, name: jump)) }
      }
    }
    if isWanted { chains += foundChains }
  }

  private mutating func findPorts(in socket: borrowing RulesetSocket) throws(KernelError) {
    for family in IPFamily.allCases {
      try findChains(
        selection.names?.portChains, under: ReferenceNames.portParents, .ip(family, "nat"), isWanted: true, in: socket)
      for name in ["hostports", "hostip_hostports", "masquerading"] {
        let chain = ForeignChain(table: .ip(family, "cni_hostport"), name: name)
        rules += try socket.rules(of: chain).filter(isPort)
      }
    }
  }

  /// The comment names the container but not the network, so the addresses decide.
  private func isPort(_ rule: ForeignRule) -> Bool {
    let isOfAddress = addresses.contains { rule.translates(to: $0) || rule.destination == $0 }
    guard let names = selection.names else { return isOfAddress }
    return rule.comment == names.container && (addresses.isEmpty || isOfAddress)
  }

  private mutating func findAdmissions(in socket: borrowing RulesetSocket) throws(KernelError) {
    for family in IPFamily.allCases where addresses.contains(where: { $0.family == family }) {
      let chain = ForeignChain(table: .ip(family, "filter"), name: ReferenceNames.admissionChain)
      rules += try socket.rules(of: chain).filter { rule in
        rule.comment.isEmpty && rule.accepts
          && (rule.source ?? rule.destination).map(addresses.contains) == true
      }
    }
  }

  private mutating func findGuards(
    _ names: ReferenceNames, in socket: borrowing RulesetSocket
  ) throws(KernelError) {
    let table = ForeignTable(family: 7, name: "nat")
    try findChains(names.guardChains, under: ["PREROUTING"], table, isWanted: true, in: socket)
  }
}
