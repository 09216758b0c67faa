import Kernel
import NetTypes
import PacketFilter

extension Table {
  /// Deletes the rules with that comment, and the shared rules and chains that only they used.
  mutating func remove(mark: String) throws(KernelError) {
    for chain in chainsWithOwners { try delete(from: chain, marked: mark) }
    switch name.kind {
    case .nat: try sweepNAT()
    case .filter: try sweepFilter()
    }
  }

  /// The chains that may hold rules of ours: our own, and chains for published ports that the configuration names.
  var chainsWithOwners: [String] {
    chains.filter(Layout.isOurs) + namedPortChains
  }

  /// The chains that hold rules for published ports.
  var portChains: [String] {
    [Layout.ports] + chains.filter { $0.hasPrefix(Layout.portPrefix) && Layout.isOurs($0) } + namedPortChains
  }

  private var namedPortChains: [String] {
    var names: [String] = []
    for rule in rules(in: Layout.ports)
    where rule.isJumpToForeign(Layout.publishedComment) && !names.contains(rule.target) { names.append(rule.target) }
    return names
  }

  private mutating func sweepNAT() throws(KernelError) {
    try sweepOwned(Layout.masqueradePrefix, jumpsIn: Layout.outbound)
    for chain in chains where chain.hasPrefix(Layout.portPrefix) && Layout.isOurs(chain) && references(to: chain) == 0 {
      try discard(chain)
    }
    try sweepForeign(from: Layout.ports, Layout.publishedComment) { table, chain in
      table.rules(in: chain).allSatisfy { $0.comment?.hasPrefix("cni:") != true }
    }
    try sweepMarks()
    try sweepReturnPaths()
    try sweep(Layout.ports, from: ["PREROUTING", "OUTPUT"])
    try sweep(Layout.floating, from: ["PREROUTING", "OUTPUT"])
    try sweep(Layout.outbound, from: ["POSTROUTING"])
    try sweep(Layout.owners, from: [])
  }

  /// Deletes the masquerade rules for marks that no rule sets any more.
  private mutating func sweepMarks() throws(KernelError) {
    guard firstIndex(in: Layout.outbound, where: { $0.comment == Layout.markedComment }) != nil else { return }
    var set: UInt32 = 0
    for chain in portChains { for rule in rules(in: chain) { set |= rule.setMark ?? 0 } }
    try delete(from: Layout.outbound) { $0.comment == Layout.markedComment && ($0.matchedMark ?? 0) & set == 0 }
  }

  /// Deletes the return paths of subnets without published ports.
  private mutating func sweepReturnPaths() throws(KernelError) {
    let paths = rules(in: Layout.outbound).filter { $0.comment == Layout.returnComment }
    guard !paths.isEmpty else { return }
    let targets = holders(of: nil).map(\.port.target)
    let unused = Set(paths.filter { path in !targets.contains { path.subnet?.contains($0) ?? false } }.map(\.key))
    try delete(from: Layout.outbound) { !unused.isEmpty && unused.contains($0.key) }
  }

  /// Removes the rules that protect 127.0.0.0/8.
  mutating func removeLoopbackGuard() throws(KernelError) {
    guard has(Layout.loopback) else { return }
    try delete(from: "INPUT") { $0.target == Layout.loopback }
    try discard(Layout.loopback)
  }

  private mutating func sweepFilter() throws(KernelError) {
    try sweepOwned(Layout.isolationPrefix, jumpsIn: Layout.isolation)
    let bridges = Set(rules(in: Layout.isolation).map(\.outDevice))
    try delete(from: Layout.isolated) { !$0.outDevice.isEmpty && !bridges.contains($0.outDevice) }
    if firstIndex(in: Layout.isolated, where: { !$0.outDevice.isEmpty }) == nil, has(Layout.isolated),
      references(to: Layout.isolated) == 0
    {
      try discard(Layout.isolated)
    }
    for chain in chains where chain.hasPrefix(Layout.linksPrefix) && Layout.isOurs(chain) {
      if references(to: chain) == 0, firstIndex(in: chain, where: { $0.comment != nil }) == nil { try discard(chain) }
    }
    try sweepOwned(Layout.admissionPrefix, jumpsIn: Layout.forward)
    try sweepForeign(from: Layout.forward, Layout.adminComment) { table, chain in
      ![Layout.forward, Layout.owners].contains { table.has(in: $0, containing: chain) { $0.neededChain == chain } }
    }
    try sweepOwned(Layout.servicePrefix, jumpsIn: Layout.names)
    try sweep(Layout.names, from: ["INPUT"])
    try sweep(Layout.isolation, from: ["FORWARD"])
    try sweep(Layout.forward, from: ["FORWARD"])
    try sweep(Layout.owners, from: [])
  }

  /// Deletes the chains that no rule in `CNI-OWNERS` jumps to, and the jumps to them.
  private mutating func sweepOwned(_ prefix: String, jumpsIn chain: String) throws(KernelError) {
    // Reference counts avoid a scan of all owners; an operator's jump counts too, so chains that lost an owner are scanned.
    let jumps = rules(in: chain).reduce(into: [:]) { $0[$1.target, default: 0] += 1 }
    let candidates = chains.filter { $0.hasPrefix(prefix) && Layout.isOurs($0) }
    let unwanted = Set(
      candidates.filter { candidate in
        references(to: candidate) <= jumps[candidate, default: 0]
          || (hasLostOwner(candidate)
            && !has(in: Layout.owners, containing: candidate) { $0.target == candidate })
      })
    guard !unwanted.isEmpty else { return }
    try delete(from: chain) { unwanted.contains($0.target) }
    for chain in unwanted.sorted() { try discard(chain) }
  }

  private func hasLostOwner(_ chain: String) -> Bool {
    edits.contains { if case .deleted(Layout.owners, _, let rule) = $0 { rule.target == chain } else { false } }
  }

  /// Deletes jumps to other programs' chains that none of our rules needs any more, and the chain if we created it.
  private mutating func sweepForeign(
    from: String, _ comment: String, where isUnwanted: (borrowing Table, String) -> Bool
  ) throws(KernelError) {
    let jumps = rules(in: from).filter { $0.isJumpToForeign(comment) }
    for jump in jumps where isUnwanted(self, jump.target) {
      let key = jump.key
      try delete(from: from) { $0.key == key }
      if jump.comment == comment, references(to: jump.target) == 0, rules(in: jump.target).isEmpty {
        try delete(jump.target)
      }
    }
  }

  /// Deletes one of our chains if it is empty, and the jumps to it from built-in chains.
  private mutating func sweep(_ chain: String, from hooks: [String]) throws(KernelError) {
    guard has(chain), firstIndex(in: chain, where: { _ in true }) == nil else { return }
    for hook in hooks { try delete(from: hook) { $0.target == chain } }
    try discard(chain)
  }

  /// Empties one of our chains; deletes it unless another program's rule jumps to it.
  private mutating func discard(_ chain: String) throws(KernelError) {
    try empty(chain)
    if references(to: chain) == 0 { try delete(chain) }
  }
}

extension PresentRule {
  /// Whether this rule jumps to a chain that the configuration names, for that purpose.
  fileprivate func isJumpToForeign(_ purpose: String) -> Bool {
    guard !Layout.isOurs(target), let comment else { return false }
    return comment == purpose || comment == purpose + Layout.foundSuffix
  }
}
