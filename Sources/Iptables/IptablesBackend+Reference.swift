public import CNI
import Kernel
public import NetTypes
public import PacketFilter

extension IptablesBackend {
  public func removeReferenceRules(_ rules: ReferenceRules) throws(KernelError) -> [IPAddress] {
    var rules = rules
    let tables = tables(.legacy)
    // `nat` first: its rules name the addresses whose rules in `filter` are removed. A table without such rules is not locked.
    var names: [TableName] = []
    for name in try tables.present(TableName.all) {
      if name.kind == .filter, !rules.roles.contains(.firewall) || rules.addresses.isEmpty { continue }
      let referenceTable = ReferenceTable(rules, in: try tables.read(name))
      rules.addresses = referenceTable.addresses.sorted()
      if !referenceTable.isEmpty { names.append(name) }
    }
    let selection = rules
    try tables.change(names) { (table) throws(KernelError) in
      let referenceTable = ReferenceTable(selection, in: table)
      try referenceTable.remove(from: &table)
    }
    return selection.addresses
  }

  public func isMadeByReferencePlugins(_ rule: Rule, for owner: AttachmentID) throws(KernelError) -> Bool {
    var selection = ReferenceRules(.attachment(owner), [])
    let tables = tables(.legacy)
    for name in try tables.present(TableName.all) where rule.needs(name) {
      let table = try tables.read(name)
      switch rule {
      case .masquerade(let masquerade):
        if ReferenceTable(selection, in: table).addresses.contains(masquerade.address) { return true }
      case .publish(let port):
        selection.roles = [.ports]
        let rules = ReferenceTable(selection, in: table).chains.flatMap { table.rules(in: $0) }
        if rules.compactMap({ $0.publishedPort }).contains(where: { $0.isSame(as: port) }) { return true }
      case .admit(let admission):
        let rules = table.rules(in: ReferenceNames.admissionChain).filter { $0.comment == nil && $0.target == "ACCEPT" }
        let host = IPPrefix(host: admission.address)
        if rules.contains(where: { $0.source == host }), rules.contains(where: { $0.subnet == host }) { return true }
      case .isolate(let isolation) where isolation.reach == .outside:
        if table.has(ReferenceNames.isolationChain) { return true }
      case .isolate, .link, .float, .serve, .guardSource, .guardAddresses, .guardTunnel, .pass, .trust, .limit, .join,
        .balance:
        return false
      }
    }
    return false
  }
}

/// The reference plugins' rules in one table.
struct ReferenceTable {
  /// Chains that hold only the reference plugins' rules.
  private(set) var chains: [String] = []
  /// The containers' addresses, known before or found in rules.
  private(set) var addresses: Set<IPAddress>
  /// The keys of the rules to be removed, by chain.
  private var rules: [String: Set<[UInt8]>] = [:]

  init(_ selection: ReferenceRules, in table: borrowing Table) {
    addresses = Set(selection.addresses)
    switch table.name.kind {
    case .nat:
      find(
        selection.names.map { [$0.masqueradeChain] }, under: [ReferenceNames.masqueradeParent], selection,
        isWanted: selection.roles.contains(.network), in: table)
      if selection.roles.contains(.ports) {
        find(selection.names?.portChains, under: ReferenceNames.portParents, selection, isWanted: true, in: table)
      }
    case .filter: findAdmissions(in: table)
    }
  }

  var isEmpty: Bool { chains.isEmpty && rules.isEmpty }

  func remove(from table: inout Table) throws(KernelError) {
    for (chain, keys) in rules { try table.delete(from: chain) { keys.contains($0.key) } }
    for chain in chains { try table.empty(chain) }
    for chain in chains {
      // A chain stays if another program's rule jumps to it.
      if table.references(to: chain) < 1 { try table.delete(chain) }
    }
  }

  /// - Parameters:
  ///   - names: the names of the chains; `nil`: taken from the rules with a matching comment.
  ///   - parents: the chains with jumps to them.
  ///   - selection: the attachments.
  ///   - isWanted: whether the chains are to be removed.
  ///   - table: the table that is searched.
  private mutating func find(
    _ names: [String]?, under parents: [String], _ selection: ReferenceRules, isWanted: Bool, in table: borrowing Table
  ) {
    var chainNames = Set<String>()
    for name in names ?? [] where table.has(name) { chainNames.insert(name) }
    if names != nil, chainNames.isEmpty { return }
    for parent in parents {
      for rule in table.rules(in: parent) {
        guard chainNames.contains(rule.target) || rule.comment.map({ selection.covers(comment: $0) }) == true else {
          continue
        }
        if let source = rule.source, source.hostBits == 0 { addresses.insert(source.address) }
        guard isWanted else { continue }
        rules[parent, default: []].insert(rule.key)
        if table.has(rule.target) { chainNames.insert(rule.target) }
      }
    }
    if isWanted { chains += chainNames.sorted() }
  }

  private mutating func findAdmissions(in table: borrowing Table) {
    let hosts = Set(addresses.map { IPPrefix(host: $0) })
    let chain = ReferenceNames.admissionChain
    let unwanted = table.rules(in: chain).filter { rule in
      rule.comment == nil && rule.target == "ACCEPT"
        && (rule.source.map(hosts.contains) == true || rule.subnet.map(hosts.contains) == true)
    }
    if !unwanted.isEmpty { rules[chain] = Set(unwanted.map { $0.key }) }
  }
}

extension PublishedPort {
  fileprivate func isSame(as other: PublishedPort) -> Bool {
    transport == other.transport && hostPort == other.hostPort && target == other.target
      && targetPort == other.targetPort && (hostIP == nil || other.hostIP == nil || hostIP == other.hostIP)
  }
}
