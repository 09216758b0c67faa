public import CNI
public import NetTypes
public import PacketFilter

extension NftablesBackend {
  public func isNamed(_ network: NetworkName) throws(KernelError) -> Bool {
    try RulesetSocket.open().uses(of: PeerSets.chain(of: network).name, .inet) != nil
  }

  public func lacks(_ contents: PeerContents) throws(KernelError) -> Bool {
    guard let chain = contents.chain?.name else { return false }
    let socket = try RulesetSocket.open()
    guard try socket.uses(of: chain, .inet) != nil else { return false }
    return try PeerChanges(of: contents, chain, in: socket).additions.isEmpty == false
  }

  public func fill(_ contents: PeerContents) throws(KernelError) {
    guard let chain = contents.chain?.name else { return }
    let socket = try RulesetSocket.open()
    for _ in 0..<NftablesBackend.tries {
      guard try socket.uses(of: chain, .inet) != nil else { return }
      do throws(KernelError) {
        let changes = try PeerChanges(of: contents, chain, in: socket)
        return try socket.carryOut(changes.removals + changes.additions, doing: "fill the sets of \(contents.peer)")
      } catch {
        // Another process changes the same set, or removes it with the last policy.
        guard error.errno.isOne(of: .ENOENT, .EAGAIN, .EEXIST) || NftErrorText.isUnanswered(error) else { throw error }
      }
    }
    throw KernelError(
      "fill the sets of \(contents.peer)", errno: .EAGAIN,
      reason: "other processes changed the ruleset 10 times in a row")
  }
}

/// How the sets of a peer differ from what they should have.
private struct PeerChanges {
  var removals: [RulesetChange] = []
  var additions: [RulesetChange] = []

  init(of contents: PeerContents, _ chain: String, in socket: borrowing RulesetSocket) throws(KernelError) {
    let wanted = Dictionary(grouping: contents.elements(chain), by: { $0.set.name })
    let sets = PeerSets.sets(of: chain), far = sets.filter { $0.key == [.v4] || $0.key == [.v6] }
    for set in far { change(set, wanted[set.name] ?? [], try socket.elements(of: set), chain) }
    // The others of a label have this host's containers too, maybe thousands; what they have of other hosts is the same.
    if case .label = contents.peer, removals.isEmpty, additions.isEmpty { return }
    for set in sets where !far.contains(set) {
      change(set, wanted[set.name] ?? [], try socket.elements(of: set), chain)
    }
  }

  private mutating func change(_ set: SetSpec, _ wanted: [Element], _ listed: [ListedElement], _ chain: String) {
    guard !set.isInterval else { return change(set, wanted, listed) }
    change(set, wanted, listed.filter { $0.comment == chain }.compactMap { Element($0, in: set) })
  }

  private mutating func change(_ set: SetSpec, _ wanted: [Element], _ present: [Element]) {
    let wantedKeys = Set(wanted.map { $0.key.bytes }), presentKeys = Set(present.map { $0.key.bytes })
    removals += present.filter { !wantedKeys.contains($0.key.bytes) }.map { .deleteElement($0) }
    add(wanted.filter { !presentKeys.contains($0.key.bytes) }, to: set)
  }

  /// Also the set, which a chain of an earlier version may lack.
  private mutating func add(_ elements: [Element], to set: SetSpec) {
    if !elements.isEmpty { additions += [.addSet(set)] + elements.map { .addElement($0) } }
  }

  /// Refills a set of intervals that has others: what is listed are only their bounds.
  private mutating func change(_ set: SetSpec, _ wanted: [Element], _ listed: [ListedElement]) {
    let present = Set(listed.filter { !$0.isEnd }.map { $0.key } + listed.filter { $0.isEnd }.map { $0.key + [1] })
    let bounds = Set(wanted.map { $0.key.bytes } + wanted.compactMap { $0.key.endOfInterval.map { $0 + [1] } })
    guard present != bounds else { return }
    if !listed.isEmpty { removals.append(.flushSet(set)) }
    add(wanted, to: set)
  }
}
