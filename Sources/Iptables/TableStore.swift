import NetTypes

/// Storage of a table's chains and rules: libiptc's copy of a legacy table, or the nf_tables table of the same name.
///
/// Both accept rules as `struct ipt_entry` or `struct ip6t_entry`. The kernel's table does not change before `commit`.
protocol TableStore: AnyObject {
  var chains: [String] { get }
  func has(_ chain: String) -> Bool
  /// The index of the first rule in that chain for which `holds` is true; `nil` if the chain is missing.
  func firstIndex(in chain: String, where holds: (PresentRule) -> Bool) -> Int?
  /// Whether the chain has a rule for which `holds` is true; each such rule has `text` in its comment or target.
  func has(in chain: String, containing text: String, where holds: (PresentRule) -> Bool) -> Bool
  /// The rules with that attachment's comment, and their indices in the chain.
  func indices(in chain: String, marked ownerComment: String) -> [(Int, PresentRule)]
  /// The number of rules that jump to the chain.
  func references(to chain: String) -> Int
  /// The policy of this built-in chain; `nil` if the chain is missing.
  func policy(of chain: String) -> String?
  func create(_ chain: String) throws(KernelError)
  func delete(_ chain: String) throws(KernelError)
  func append(_ entry: [UInt8], to chain: String) throws(KernelError)
  func insert(_ entry: [UInt8], at index: Int, in chain: String) throws(KernelError)
  func deleteRule(at index: Int, in chain: String) throws(KernelError)
  func commit() throws(KernelError)
}

extension TableStore {
  func has(in chain: String, containing text: String, where holds: (PresentRule) -> Bool) -> Bool {
    firstIndex(in: chain, where: holds) != nil
  }

  func indices(in chain: String, marked ownerComment: String) -> [(Int, PresentRule)] {
    var result: [(Int, PresentRule)] = []
    var index = 0
    _ = firstIndex(in: chain) {
      if $0.hasOwnerComment(ownerComment) { result.append((index, $0)) }
      index += 1
      return false
    }
    return result
  }
}

/// The two variants of the `iptables` command and its tables.
enum Variant: CaseIterable, Sendable {
  /// `iptables-legacy`: separate tables in the kernel.
  case legacy
  /// `iptables-nft`: the tables `filter` and `nat` of the families `ip` and `ip6` in nf_tables.
  case nftables
}
