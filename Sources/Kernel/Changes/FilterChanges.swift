import CNI
import NetTypes
import PacketFilter

/// Adds rules to those that the owner has.
struct AddRules: CustomStringConvertible {
  let ruleSet: RuleSet

  var description: String { "add packet filter rules of \(ruleSet.owner.tag)" }

  func inverse<K: Kernel & ~Copyable>(in transaction: inout Transaction<K>) throws(KernelError) -> [Change] {
    [.removeRules(ruleSet.owner, ruleSet.role, everywhere: false)]
  }

  func differences<K: Kernel & ~Copyable>(on kernel: inout K) throws(KernelError) -> [String] {
    try ruleSet.differences(recorded: ruleSet.rules, on: &kernel)
  }
}

/// Replaces the owner's rules of that role.
struct SetRules: CustomStringConvertible {
  let ruleSet: RuleSet

  var description: String { "replace packet filter rules of \(ruleSet.owner.tag)" }

  func inverse<K: Kernel & ~Copyable>(in transaction: inout Transaction<K>) throws(KernelError) -> [Change] {
    let before = try transaction.kernel.filter.ruleSet(of: ruleSet.owner, ruleSet.role)
    return [before.map { .setRules($0) } ?? .removeRules(ruleSet.owner, ruleSet.role, everywhere: false)]
  }

  /// Also compares the recorded rules.
  func differences<K: Kernel & ~Copyable>(on kernel: inout K) throws(KernelError) -> [String] {
    let recorded = try kernel.filter.ruleSet(of: ruleSet.owner, ruleSet.role)?.rules
    return try ruleSet.differences(recorded: recorded, on: &kernel)
  }
}

/// Replaces the owner's rules of that role, which are known.
struct UpdateRules: CustomStringConvertible {
  let old: RuleSet
  let new: RuleSet

  var description: String { "change packet filter rules of \(new.owner.tag)" }

  func inverse<K: Kernel & ~Copyable>(in transaction: inout Transaction<K>) throws(KernelError) -> [Change] {
    [.updateRules(from: new, to: old)]
  }

  func differences<K: Kernel & ~Copyable>(on kernel: inout K) throws(KernelError) -> [String] {
    try SetRules(ruleSet: new).differences(on: &kernel)
  }
}

/// Removes the owner's rules of that role.
struct RemoveRules: CustomStringConvertible {
  let owner: AttachmentID
  let role: PluginRole

  var description: String { "remove packet filter rules of \(owner.tag)" }

  func inverse<K: Kernel & ~Copyable>(in transaction: inout Transaction<K>) throws(KernelError) -> [Change] {
    try transaction.kernel.filter.ruleSet(of: owner, role).map { [.addRules($0)] } ?? []
  }
}

/// Removes what the reference plugins made, which has no inverse.
struct RemoveReferencePluginRules: CustomStringConvertible {
  let owner: AttachmentID

  var description: String { "remove packet filter rules of the reference plugins for \(owner.tag)" }
}

/// Removes rules of attachments that are gone, so it has no inverse.
struct RemoveStaleRules: CustomStringConvertible {
  let network: NetworkName

  var description: String { "remove stale packet filter rules of network \(network)" }
}

/// Equals `conntrack -D`; the next packet makes a new entry, so it has no inverse.
struct DeleteConntrackEntries: CustomStringConvertible {
  let connections: Set<ConntrackFilter>

  var description: String {
    "delete conntrack entries of connections to \(connections.map { $0.description }.sorted().joined(separator: ", "))"
  }
}

extension RuleSet {
  /// The differences between the packet filter and these rules; all are missing if others are recorded.
  fileprivate func differences<K: Kernel & ~Copyable>(
    recorded: [Rule]?, on kernel: inout K
  ) throws(KernelError) -> [String] {
    let missing = recorded == rules ? try kernel.filter.missing(from: self) : rules
    return try missing.map { "packet filter: \($0) is missing" }
      + kernel.filter.drops(for: self).map { "packet filter: \($0)" }
  }
}
