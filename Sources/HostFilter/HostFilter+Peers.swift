public import CNI
import Linux
public import NetTypes
public import PacketFilter

/// The links of networks that policies name: a file `peers/NETWORK` with a line for each link.
///
/// It exists while a policy names the network, so an ADD of a network that none names looks for one file. It is made before
/// the policy's rules, empty, and removed after them.
extension HostFilter {
  private var peerDirectory: String { "\(state)/peers" }

  private func path(_ network: NetworkName) -> String { "\(peerDirectory)/\(network)" }

  /// The noted links; `nil` if no policy names the network.
  public func notedLinks(of network: NetworkName) throws(KernelError) -> [InterfaceName]? {
    try Files.readIfPresent(path(network))?.split(separator: UInt8(ascii: "\n"))
      .compactMap { InterfaceName(String(decoding: $0, as: UTF8.self)) }
  }

  public func deniedPackets(by policy: Policy) throws(KernelError) -> DeniedPackets? {
    try nftables.deniedPackets(by: policy)
  }

  public func unknownNetworks(of ruleSet: RuleSet) throws(KernelError) -> [NetworkName] {
    var unknown: [NetworkName] = []
    for network in ruleSet.namedNetworks where try Files.readIfPresent(path(network))?.isEmpty == true {
      unknown.append(network)
    }
    return unknown
  }

  public mutating func note(_ links: [InterfaceName], of network: NetworkName) throws(KernelError) {
    guard try lacks(links, of: network) else { return }
    try inTurn(.policies) { (filter) throws(KernelError) in
      guard try filter.lacks(links, of: network), let old = try filter.notedLinks(of: network) else { return }
      let all = old + links.filter { !old.contains($0) }
      // The empty line shows that the links have been looked for.
      let lines = "\n" + all.map { "\($0)\n" }.joined()
      try Files.replace(filter.path(network), with: Array(lines.utf8), mode: 0o600)
      try filter.fill(.network(network))
    }
  }

  public func wantsLinks(of network: NetworkName) throws(KernelError) -> Bool { Files.exists(path(network)) }

  /// Whether policies name the network, and one of these links is not noted, or none has been looked for.
  private func lacks(_ links: [InterfaceName], of network: NetworkName) throws(KernelError) -> Bool {
    guard let old = try notedLinks(of: network) else { return false }
    if !links.allSatisfy(old.contains) { return true }
    return try Files.readIfPresent(path(network))?.isEmpty == true
  }

  /// Changes policies, files of networks and services one after another.
  ///
  /// A removal forgets networks that no policy names then. The rule of a service names all of its back-ends.
  mutating func inTurn(
    _ role: PluginRole, removing: Bool = false, _ change: (inout HostFilter) throws(KernelError) -> Void
  ) throws(KernelError) {
    guard role == .policies || role == .services else { return try change(&self) }
    let isLocked = filterLock != nil
    try lock()
    defer { if !isLocked { unlock() } }
    guard role == .policies else { return try change(&self) }
    do throws(KernelError) { try change(&self) } catch {
      try? forgetPeers()  // report the first error
      throw error
    }
    if removing { try forgetPeers() }
  }

  /// Makes the files for the networks that the rule set's policies name.
  func expectPeers(of ruleSet: RuleSet) throws(KernelError) {
    for network in ruleSet.namedNetworks where try notedLinks(of: network) == nil {
      try SetAside.makeDirectory(peerDirectory, mode: 0o700)
      try Files.replace(path(network), with: [], mode: 0o600)
    }
  }

  /// Fills the sets that the policies look up.
  func addPeers(of ruleSet: RuleSet) throws(KernelError) {
    for peer in ruleSet.namedPeers { try fill(peer) }
  }

  func fill(_ peer: Policy.Peer) throws(KernelError) { try nftables.fill(try contents(of: peer)) }

  /// The policies of the rule set for whose peers something is missing.
  func policiesWithoutPeers(_ ruleSet: RuleSet) throws(KernelError) -> [Rule] {
    var rules: [Rule] = []
    for case .limit(let policy) in ruleSet.rules {
      for peer in RuleSet(ruleSet.owner, ruleSet.role, [.limit(policy)]).namedPeers {
        if try nftables.lacks(try contents(of: peer)) { rules.append(.limit(policy)) }
      }
    }
    return rules
  }

  /// What is noted of the peer: on this host, and on others.
  private func contents(of peer: Policy.Peer) throws(KernelError) -> PeerContents {
    var contents = PeerContents(of: peer)
    switch peer {
    case .network(let network):
      contents.links = try notedLinks(of: network) ?? []
      contents.prefixes = try farNetwork(network)?.prefixes ?? []
    case .label(let label): contents.members = try farMembers(with: label)
    case .anyone, .prefix: break
    }
    return contents
  }

  /// Removes the files of networks that no policy names any more.
  private func forgetPeers() throws(KernelError) {
    for name in try Files.list(peerDirectory) ?? [] {
      if let network = NetworkName(name), try nftables.isNamed(network) { continue }
      try Files.removeTree("\(peerDirectory)/\(name)")
    }
    try Files.removeEmptyDirectory(peerDirectory)
  }
}
