import NetTypes

/// Where a table's chains and rules are: libiptc's copy of a legacy table, or nf_tables' table of the same name.
///
/// Both kinds take rules as `struct ipt_entry` or `struct ip6t_entry`. Nothing changes before `commit`.
protocol TableStore: AnyObject {
  var chains: [String] { get }
  func has(_ chain: String) -> Bool
  /// The place of the first rule in that chain of which `holds` is true; none where there is no such chain.
  func firstIndex(in chain: String, where holds: (PresentRule) -> Bool) -> Int?
  /// Whether the chain has a rule of which `holds` is true; each such rule has that text in its comment or target.
  func has(in chain: String, containing text: String, where holds: (PresentRule) -> Bool) -> Bool
  /// The rules with that attachment's comment, and their indices in the chain.
  func indices(in chain: String, marked mark: String) -> [(Int, PresentRule)]
  /// How many rules jump there.
  func references(to chain: String) -> Int
  /// What becomes of a packet that no rule of this built-in chain decides about; `nil` where there is no such chain.
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

  func indices(in chain: String, marked mark: String) -> [(Int, PresentRule)] {
    var found: [(Int, PresentRule)] = []
    var index = 0
    _ = firstIndex(in: chain) {
      if $0.isMarked(mark) { found.append((index, $0)) }
      index += 1
      return false
    }
    return found
  }
}

/// Which of the two places that the `iptables` command can mean.
enum Flavour: CaseIterable, Sendable {
  /// `iptables-legacy`: tables of their own in the kernel.
  case legacy
  /// `iptables-nft`: the tables `ip filter`, `ip nat` and those of `ip6` in nf_tables.
  case nftables
}
