public import CNI
import Kernel
import Linux
public import NetTypes
public import PacketFilter

/// Rules in nf_tables, changed and read by netlink, one transaction per call.
///
/// Only conditions that an operator wrote in nft's syntax need libnftables.
///
/// The cost does not depend on other owners' rules, with two exceptions: `tags`, and `remove` if the rules are not
/// recorded or no longer as they were added.
public final class NftablesBackend: FilterBackend {
  private var library: Libnftables?
  /// No lock: an attempt fails only if another process changed the ruleset first.
  static let tries = 10

  public init() {}

  public func add(_ ruleSet: RuleSet) throws(KernelError) {
    let socket = try RulesetSocket.open()
    var plan = try NftablesPlan.fitting(ruleSet, in: socket)
    var changes = try plan.additions(in: socket)
    let changing = KernelError(
      "add rules of \(ruleSet.owner.filterTag)", errno: .EAGAIN,
      reason: "other processes changed the ruleset 10 times in a row")
    var last = changing
    for _ in 0..<NftablesBackend.tries {
      do throws(KernelError) {
        try carryOut(changes, in: socket, doing: "add rules of \(ruleSet.owner.filterTag)")
        return
      } catch {
        last = NftErrorText.isUnanswered(error) ? error : changing
        switch error.errno {
        // Another process removed the table or a chain in the meantime, or only a part of it exists.
        case .ENOENT: changes = try plan.completeAdditions(in: socket)
        case .EEXIST, .EBUSY:
          try socket.sweep()
          plan = try NftablesPlan.fitting(ruleSet, in: socket)
          changes = try plan.replacements(in: socket)
        // The next attempt shows whether the change was made.
        case .EAGAIN, .EINTR, .ENOBUFS: break
        default:
          if try isAdded(plan, ruleSet, in: socket) { return }
          throw error
        }
      }
    }
    throw last
  }

  /// One transaction, as `nft -f` reads it.
  public func commands(adding ruleSet: RuleSet) throws(KernelError) -> [String] {
    let socket = try RulesetSocket.open()
    let changes = try NftablesPlan.fitting(ruleSet, in: socket).additions(in: socket)
    return ["nft -f - <<'END'"] + changes.map { $0.text } + ["END"]
  }

  /// Whether the rules are present although the change failed: libnftables may call `exit` after the commit.
  private func isAdded(
    _ plan: NftablesPlan, _ ruleSet: RuleSet, in socket: borrowing RulesetSocket
  ) throws(KernelError) -> Bool {
    do throws(KernelError) {
      return try plan.isComplete(in: socket, ElementOwner(ruleSet.owner.filterTag, ruleSet.role))
    } catch { return false }  // the first error is thrown
  }

  public func remove(_ tag: String, _ role: PluginRole, recordedRules: [Rule]?) throws(KernelError) {
    let owner = ElementOwner(tag, role)
    let socket = try RulesetSocket.open()
    guard try PresentRuleset.hasRules(in: socket) else { return }
    for _ in 0..<NftablesBackend.tries {
      do throws(KernelError) {
        if let rules = recordedRules, let plan = try NftablesPlan(recorded: rules, owner, in: socket) {
          try socket.carryOut(PresentRuleset.deletions(plan.elements, in: socket), doing: "remove rules of \(tag)")
          try socket.clear(plan)
        } else {
          let elements = try PresentRuleset.elements(in: socket) { $0 == owner.comment }
          if !elements.isEmpty {
            try socket.carryOut(PresentRuleset.deletions(elements, in: socket), doing: "remove rules of \(tag)")
          }
          try socket.sweep()
        }
        return
      } catch {
        guard NftErrorText.isUnanswered(error) || error.errno.isOne(of: .ENOENT, .EAGAIN) else { throw error }
      }
    }
    throw KernelError(
      "remove rules of \(tag)", errno: .EAGAIN, reason: "other processes changed the ruleset 10 times in a row")
  }

  public func missing(from ruleSet: RuleSet) throws(KernelError) -> [Rule] {
    let socket = try RulesetSocket.open()
    let missing = try missing(from: ruleSet, .byLink, in: socket)
    guard !missing.isEmpty else { return [] }
    switch ruleSet.role {
    case .tunnels: return try NftablesPlan.hasEarlierTunnels(ruleSet, in: socket) ? [] : missing
    case .policies: return try self.missing(from: ruleSet, .byContainer, in: socket).filter(missing.contains)
    case .network, .guards, .ports, .firewall, .names, .services: return missing
    }
  }

  private func missing(
    from ruleSet: RuleSet, _ form: PolicyForm, in socket: borrowing RulesetSocket
  ) throws(KernelError) -> [Rule] {
    let owner = ElementOwner(ruleSet.owner.filterTag, ruleSet.role)
    let whole = try NftablesPlan(ruleSet, form)
    for part in whole.parts where try !PresentRuleset.hasChains(of: part, in: socket) { return ruleSet.rules }
    let anchored = try whole.elements.last.map { (last) throws(KernelError) in try socket.has(last, of: owner) } ?? true
    guard anchored else { return ruleSet.rules }
    var missing: [Rule] = []
    for rule in ruleSet.rules {
      if try !NftablesPlan(rule, owner, form).isComplete(in: socket, owner) { missing.append(rule) }
    }
    return missing
  }

  public func tags(_ role: PluginRole, prefix: String) throws(KernelError) -> Set<String> {
    let socket = try RulesetSocket.open()
    let owners = try PresentRuleset.elements(in: socket) { $0.hasPrefix(prefix) }
      .compactMap { ElementOwner(comment: $0.comment) }
    return Set(owners.filter { $0.role == role && $0.tag.hasPrefix(prefix) }.map { $0.tag })
  }

  public func holders(of ports: [PublishedPort]?) throws(KernelError) -> [PortHolder] {
    try PresentRuleset.holders(of: ports, in: try RulesetSocket.open())
  }

  public func probe() throws(KernelError) {
    _ = try RulesetSocket.open().uses(of: Table.inet.anchor, .inet)
  }

  /// Makes all changes or none.
  private func carryOut(
    _ changes: [RulesetChange], in socket: borrowing RulesetSocket, doing operation: String
  ) throws(KernelError) {
    guard changes.contains(where: { $0.needsLibrary }) else { return try socket.carryOut(changes, doing: operation) }
    let library = if let library { library } else { try Libnftables.load() }
    self.library = library
    if changes.contains(where: { $0.isDeletion }) { LateClosing.noteDeletion() }
    try library.open().run(changes.map { $0.text }, doing: operation)
  }
}

extension NftablesBackend {
  private static let removalTries = 10

  public func removeReferenceRules(_ rules: ReferenceRules) throws(KernelError) -> [IPAddress] {
    for _ in 0..<Self.removalTries {
      guard let result = try search(rules) else { return rules.addresses }
      if result.isEmpty { return result.addresses.sorted() }
      do throws(KernelError) {
        try RulesetSocket.open().change(result.changes, doing: "remove rules of the reference plugins")
        return result.addresses.sorted()
      } catch {
        let isRetryable = error.errno.isOne(of: .ENOENT, .EAGAIN, .EBUSY)
        guard isRetryable || NftErrorText.isUnanswered(error) else { throw error }
      }
    }
    throw KernelError(
      "remove rules of the reference plugins", errno: .EAGAIN,
      reason: "other processes changed the ruleset 10 times in a row")
  }

  /// `nil` if the kernel has no nf_tables.
  private func search(_ selection: ReferenceRules) throws(KernelError) -> ReferenceSearch? {
    do throws(KernelError) { return try ReferenceSearch(selection, in: try RulesetSocket.open()) } catch {
      guard error.errno.isOne(of: .EINVAL, .EOPNOTSUPP, .EPROTONOSUPPORT) else {
        throw error
      }
      return nil
    }
  }

  public func isMadeByReferencePlugins(_ rule: Rule, for owner: AttachmentID) throws(KernelError) -> Bool {
    guard try search(ReferenceRules(.attachment(owner), [])) != nil else { return false }
    let socket = try RulesetSocket.open()
    var selection = ReferenceRules(.attachment(owner), [])
    switch rule {
    case .masquerade(let masquerade):
      return try ReferenceSearch(selection, in: socket).addresses.contains(masquerade.address)
    case .publish(let port):
      selection.roles = [.ports]
      selection.addresses = [port.target]
      let result = try ReferenceSearch(selection, in: socket)
      var candidates = result.rules
      for chain in result.chains { candidates += try socket.rules(of: chain) }
      return candidates.contains { $0.port == port.hostPort && $0.translates(to: port.target, port.targetPort) }
    case .admit(let admission):
      selection.roles = [.firewall]
      selection.addresses = [admission.address]
      let result = try ReferenceSearch(selection, in: socket).rules
      return result.contains { $0.source == admission.address }
        && result.contains { $0.destination == admission.address }
    case .guardSource:
      selection.roles = [.network]
      return try ReferenceSearch(selection, in: socket).chains.contains { $0.table.family == 7 }
    case .isolate(let isolation) where isolation.reach == .outside:
      return try socket.has(ForeignChain(table: .ip(.v4, "filter"), name: ReferenceNames.isolationChain))
    case .isolate, .link, .float, .serve, .guardAddresses, .guardTunnel, .pass, .trust, .limit, .join, .balance:
      return false
    }
  }
}

extension NftablesBackend {
  /// Replaces the rules in one nf_tables transaction: each packet is matched by the old ones or by the new ones.
  public func replace(_ old: RuleSet?, with ruleSet: RuleSet) throws(KernelError) {
    let owner = ElementOwner(ruleSet.owner.filterTag, ruleSet.role)
    let socket = try RulesetSocket.open()
    var plan = try NftablesPlan.fitting(ruleSet, in: socket)
    var before = try completeRules(of: old, in: socket)
    for _ in 0..<NftablesBackend.tries {
      do throws(KernelError) {
        let elements = before == nil ? try PresentRuleset.elements(in: socket) { $0 == owner.comment } : []
        let changes =
          if let before {
            try plan.changes(from: before)
              + socket.balancing((before.chains + plan.chains).map { $0.name }, adding: plan.elements) {
                $0.comment == owner.comment
              }
          } else {
            try PresentRuleset.deletions(elements, adding: plan.elements, in: socket)
              + plan.completeAdditions(in: socket)
          }
        try carryOut(changes, in: socket, doing: "replace rules of \(ruleSet.owner.filterTag)")
        guard let before else { return elements.isEmpty ? () : try socket.sweep() }
        return try socket.clear(before, keeping: plan)
      } catch {
        let isConflict = [
          .ENOENT, .EEXIST, .EBUSY, .EAGAIN,
        ].contains(error.errno)
        guard isConflict || NftErrorText.isUnanswered(error) else { throw error }
        before = nil
        plan = try NftablesPlan.fitting(ruleSet, in: socket)
      }
    }
    throw KernelError(
      "replace rules of \(ruleSet.owner.filterTag)", errno: .EAGAIN,
      reason: "other processes changed the ruleset 10 times in a row")
  }

  /// Replaces these rules in one nf_tables transaction.
  public func change(_ old: RuleSet, to ruleSet: RuleSet) throws(KernelError) {
    let before = try NftablesPlan(old), plan = try NftablesPlan(ruleSet)
    let socket = try RulesetSocket.open()
    // That of an earlier version would not let new hosts in.
    if let port = plan.chains.first, try !PresentRuleset.isComplete(port, in: socket) {
      throw KernelError("change \(port.name)", errno: .ENOENT, reason: "its rules are not those of this version")
    }
    try carryOut(plan.changes(from: before), in: socket, doing: "change rules of \(ruleSet.owner.filterTag)")
    try socket.clear(before, keeping: plan)
  }

  /// What was added for a rule set; `nil` if any of it is missing, or if its rules have an order (spare ports).
  private func completeRules(
    of ruleSet: RuleSet?, in socket: borrowing RulesetSocket
  ) throws(KernelError) -> NftablesPlan? {
    guard let ruleSet else { return nil }
    for form in PolicyForm.allCases where try missing(from: ruleSet, form, in: socket).isEmpty {
      let plan = try NftablesPlan(ruleSet, form)
      return plan.spares.isEmpty ? plan : nil
    }
    return nil
  }
}

extension NftablesPlan {
  /// The changes that turn `before`, if all of it is present, into these rules.
  fileprivate func changes(from before: NftablesPlan) -> [RulesetChange] {
    let old = before.elementsByKey, new = elementsByKey, oldChains = Set(before.chains.map { $0.name })
    let removed = before.elements.filter { new[$0.setAndKey] != $0 }
    let added = elements.filter { old[$0.setAndKey] != $0 }
    return removed.map { .deleteElement($0) }
      + chains.filter { !oldChains.contains($0.name) }.flatMap { $0.declaration }
      + added.map { .createElement($0) }
  }

  private var elementsByKey: [[UInt8]: Element] {
    elements.reduce(into: [:]) { $0[$1.setAndKey] = $0[$1.setAndKey] ?? $1 }
  }
}
