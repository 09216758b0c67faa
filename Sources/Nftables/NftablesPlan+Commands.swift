import NetTypes
import PacketFilter

/// The changes that add the rules to the present ruleset.
extension NftablesPlan {
  /// Changes for the usual case without conflicts: elements, and the parts and chains that they need and that are missing.
  ///
  /// A look-up first is cheaper than a refused transaction: the kernel then waits until no CPU uses the old rules.
  func additions(in socket: borrowing RulesetSocket) throws(KernelError) -> [RulesetChange] {
    var missingParts: [Layout.Part] = []
    for part in parts where try !PresentRuleset.has(part, in: socket) { missingParts.append(part) }
    var changes = Layout.declaration(missingParts)
    var missing: Set<String> = []
    for chain in chains where try socket.uses(of: chain.name, .inet) == nil {
      changes += chain.declaration
      missing.insert(chain.name)
    }
    // A chain that is missing has no rule that leads to it, so no old spare rule needs to be deleted.
    let hasLeftovers = !spares.allSatisfy { missing.contains($0.chain) }
    return changes + elements.map { .createElement($0) } + (try balancing(in: socket))
      + (hasLeftovers ? try spareAdditions(in: socket) : spares.map { $0.creation })
  }

  /// Changes for parts or chains that are incomplete: declares all of them again.
  func completeAdditions(in socket: borrowing RulesetSocket) throws(KernelError) -> [RulesetChange] {
    Layout.declaration(parts) + chains.flatMap { $0.declaration } + elements.map { .createElement($0) }
      + (try balancing(in: socket)) + (try spareAdditions(in: socket))
  }

  /// The rules of services with these back-ends, in place of the owner's former ones.
  private func balancing(in socket: borrowing RulesetSocket) throws(KernelError) -> [RulesetChange] {
    let owner = elements.first?.comment
    return try socket.balancing(chains.map { $0.name }, adding: elements) { $0.comment == owner }
  }

  /// Changes that replace existing elements with the same keys.
  ///
  /// Our own elements are replaced. An address or a link belongs to one container at a time, so its previous owner is
  /// gone. A port or a floating address may rightly belong to another container.
  ///
  /// - Throws: EEXIST with the owner of the port, or if the bridge is isolated differently.
  func replacements(in socket: borrowing RulesetSocket) throws(KernelError) -> [RulesetChange] {
    var deletions: [RulesetChange] = []
    for chain in chains {
      for entryElement in chain.entryElements where !LinkPolicies.maps.contains(entryElement.set) {
        if let existing = try socket.element(entryElement.key, of: entryElement.set),
          existing.comment != entryElement.comment
        {
          throw KernelError(
            "\(entryElement.set.purpose) \(entryElement.key.text)",
            errno: .EEXIST, reason: entryElement.set.disagreement)
        }
      }
    }
    for element in elements {
      guard let existing = try socket.element(element.key, of: element.set) else { continue }
      guard existing.comment == element.comment || !element.set.isExclusive else {
        let holder = ElementOwner(comment: existing.comment)?.tag ?? existing.comment
        throw KernelError(
          "publish \(element.key.text)", errno: .EEXIST, reason: "it is published already by \(holder)")
      }
      deletions.append(.deleteElement(element))
    }
    return deletions + (try completeAdditions(in: socket))
  }

  /// What was added for these recorded rules; `nil` if they cannot have been added, or if an element is missing.
  init?(recorded rules: [Rule], _ owner: ElementOwner, in socket: borrowing RulesetSocket) throws(KernelError) {
    for form in PolicyForm.allCases {
      let plan: NftablesPlan
      do throws(KernelError) { plan = try NftablesPlan(rules, owner, form) } catch { return nil }
      if try plan.isPresent(in: socket, owner) {
        self = plan
        return
      }
    }
    return nil
  }

  /// Whether every element is present as that owner added it.
  private func isPresent(in socket: borrowing RulesetSocket, _ owner: ElementOwner) throws(KernelError) -> Bool {
    for element in elements where try !socket.has(element, of: owner) { return false }
    return true
  }

  /// Whether the elements, the chains that they lead to and the rules of spare ports are present.
  func isComplete(in socket: borrowing RulesetSocket, _ owner: ElementOwner) throws(KernelError) -> Bool {
    if prefersDumps { return try isCompleteInDumps(socket) }
    guard try isPresent(in: socket, owner) else { return false }
    for chain in chains where try !PresentRuleset.isComplete(chain, in: socket) { return false }
    guard !spares.isEmpty else { return true }
    return Set(try socket.rules(of: Layout.spare, .inet).map { $0.comment }).isSuperset(of: spares.map { $0.chain })
  }
}

extension SetSpec {
  /// Whether another owner's element with the same key is a conflict.
  fileprivate var isExclusive: Bool {
    let prefixes = ["ports", "bound", "special", "chained", "floating"]
    return prefixes.contains(where: name.hasPrefix)
  }
}

extension SetSpec {
  /// Whether the set's elements lead to chains of name servers.
  var isOfServers: Bool { IPFamily.allCases.contains { FamilySets($0).served == self } }

  private var isOfServices: Bool { part == .services }

  /// What its elements are for.
  fileprivate var purpose: String {
    isOfServices ? "add a back-end of the service at" : isOfServers ? "open name server" : "isolate bridge"
  }

  /// The reason why two owners cannot both have their value for one key.
  fileprivate var disagreement: String {
    if isOfServices {
      return "another service has this address and port, or the same one with another scheduler or engine"
    }
    return isOfServers
      ? "another bridge already uses this name server; want one bridge for each address"
      : "another network already isolates it differently; want the same isolation in both networks"
  }
}

extension RulesetSocket {
  /// Whether the element is present as that owner added it.
  borrowing func has(_ element: Element, of owner: ElementOwner) throws(KernelError) -> Bool {
    guard let existing = try self.element(element.key, of: element.set) else { return false }
    return existing.matches(element) && existing.comment == owner.comment
  }
}
