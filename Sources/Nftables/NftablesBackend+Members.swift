public import NetTypes
public import PacketFilter

/// Members of services that take no connections for now: an element in a set beside that of the members.
extension NftablesBackend {
  public func states(of members: [ServiceMember]) throws(KernelError) -> [ServiceMember.State] {
    let socket = try RulesetSocket.open()
    return try members.map { (member) throws(KernelError) in try socket.state(of: MemberElements(member)) }
  }

  public func setMembers(
    out: [ServiceMember], in taken: [ServiceMember]
  ) throws(KernelError) -> [ServiceMember] {
    let socket = try RulesetSocket.open()
    for _ in 0..<NftablesBackend.tries {
      let leaving = try socket.members(of: out, in: .isIn), returning = try socket.members(of: taken, in: .isOut)
      let all = leaving + returning
      guard !all.isEmpty else { return [] }
      let new = leaving.map { MemberElements($0).down }, old = returning.map { MemberElements($0).down }
      let deleted = Set(old.map { $0.setAndKey }), chains = Set(all.map { MemberElements($0).chain })
      do throws(KernelError) {
        let changes =
          try new.map { .createElement($0) } + old.map { .deleteElement($0) }
          + socket.balancing(chains.sorted(), adding: new) { deleted.contains($0.setAndKey) }
        try socket.carryOut(changes, doing: "change the members of services")
        return all
      } catch {
        // Another process has flushed the ruleset or restored it.
        guard error.errno.isOne(of: .ENOENT, .EEXIST, .EAGAIN) || NftErrorText.isUnanswered(error) else { throw error }
      }
    }
    throw KernelError(
      "change the members of services", errno: .EAGAIN, reason: "other processes changed the ruleset 10 times in a row")
  }
}

/// A member's elements in the sets of its chain.
private struct MemberElements {
  var chain: String
  var member: Element
  /// Present while the member is out.
  var down: Element

  init(_ member: ServiceMember) {
    let backEnd = member.backEnd
    chain = ServiceChains.chain(of: backEnd).name
    self.member = ServiceChains.member(backEnd, ElementOwner(member.owner.filterTag, .services))
    down = Element(
      set: ServiceChains.down(of: chain, backEnd.family), key: self.member.key, value: .none, comment: chain)
  }
}

extension RulesetSocket {
  /// An element of another owner is no member: the address may have a new container.
  fileprivate borrowing func state(of elements: MemberElements) throws(KernelError) -> ServiceMember.State {
    let present = try element(elements.member.key, of: elements.member.set)
    guard present?.comment == elements.member.comment else { return .isMissing }
    return try element(elements.down.key, of: elements.down.set) == nil ? .isIn : .isOut
  }

  fileprivate borrowing func members(
    of members: [ServiceMember], in state: ServiceMember.State
  ) throws(KernelError) -> [ServiceMember] {
    var fitting: [ServiceMember] = []
    for member in members where try self.state(of: MemberElements(member)) == state { fitting.append(member) }
    return fitting
  }

  /// The back-ends of the chain that are not out.
  borrowing func takingMembers(of chain: String) throws(KernelError) -> [Element] {
    let sets = try ServiceChains.sets(of: chain).map { (set) throws(KernelError) in
      try elements(of: set).compactMap { Element($0, in: set) }
    }
    let down = Set(sets.last?.map { $0.key.bytes } ?? [])
    return sets.first?.filter { !down.contains($0.key.bytes) } ?? []
  }
}
