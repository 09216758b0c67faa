public import CNI
public import NetTypes

/// A backend that holds the rules: in the tables of the `iptables` command, or in our own tables of nf_tables.
///
/// Each call is one transaction: all of it happens or nothing. It changes only our own chains, tables and sets, and the
/// jumps into them. The jumps are added with the first rule and removed with the last one; after that the ruleset is byte
/// for byte what it was before.
public protocol FilterBackend: AnyObject {
  /// Adds the rules and marks them with the owner's `filterTag`.
  ///
  /// A spare port (`isSpare`) may be published already by the same container on other networks; the rule takes effect when
  /// those are gone.
  ///
  /// - Throws: EEXIST if one of the other ports is published already.
  func add(_ ruleSet: RuleSet) throws(KernelError)

  /// The shell lines that add the rules as `add` does, in order; changes nothing.
  func commands(adding ruleSet: RuleSet) throws(KernelError) -> [String]

  /// Replaces all rules of the rule set's owner and role.
  ///
  /// - Parameters:
  ///   - old: the rule set that was added before; `nil`: it is not known, so the ruleset is searched for its rules.
  ///   - ruleSet: the new rule set.
  /// - Throws: the backend's error.
  func replace(_ old: RuleSet?, with ruleSet: RuleSet) throws(KernelError)

  /// Replaces rules of the rule set's owner and role by others; rules that neither rule set has stay.
  ///
  /// - Parameters:
  ///   - old: rules that were added before.
  ///   - ruleSet: the new rules.
  /// - Throws: the backend's error, also if `old` is not as it was added; nothing was changed then.
  func change(_ old: RuleSet, to ruleSet: RuleSet) throws(KernelError)

  /// Removes all rules of that role that have this tag. No-op if there are none.
  ///
  /// - Parameters:
  ///   - tag: an owner's `filterTag`.
  ///   - role: the plugin that owns the rules.
  ///   - recordedRules: the rules as they were added, if they are recorded. Then the backend does not search the ruleset, unless
  ///     they are gone or changed.
  /// - Throws: the backend's error; nothing was removed then.
  func remove(_ tag: String, _ role: PluginRole, recordedRules: [Rule]?) throws(KernelError)

  /// The rule set's rules that are missing from the ruleset or differ from what was added.
  func missing(from ruleSet: RuleSet) throws(KernelError) -> [Rule]

  /// The tags with this prefix among the rules of that role.
  func tags(_ role: PluginRole, prefix: String) throws(KernelError) -> Set<String>

  /// The published ports that conflict with one of `ports`, with their owners; all published ports if `ports` is `nil`.
  func holders(of ports: [PublishedPort]?) throws(KernelError) -> [PortHolder]

  /// Names the host's rules and policies that certainly drop connections which the rule set (passages included) is for.
  func drops(for ruleSet: RuleSet) throws(KernelError) -> [String]

  /// As `drops(for:)`, but without the chain FORWARD of `iptables`: the passages that ADD makes get past that.
  func dropsByOtherTables(_ connections: [ForwardedConnection]) throws(KernelError) -> [String]

  /// The kernel interface that holds the host's own `iptables` rules.
  func hostRules() throws(KernelError) -> HostRules

  /// Whether nf_tables holds tables that the `iptables` command shows.
  func hasNftablesTables() throws(KernelError) -> Bool

  /// Whether this host has what the backend needs.
  ///
  /// - Throws: what is missing.
  func probe() throws(KernelError)

  /// Whether a policy names the network.
  func isNamed(_ network: NetworkName) throws(KernelError) -> Bool

  /// Replaces what policies look up for the peer. No-op if no policy names it.
  func fill(_ contents: PeerContents) throws(KernelError)

  /// Whether policies name the peer and one of these is missing.
  func lacks(_ contents: PeerContents) throws(KernelError) -> Bool

  /// As `PacketFilter.needsVirtualAddress`.
  func needsVirtualAddress(_ address: IPAddress, on link: InterfaceName, except tags: Set<String>) throws(KernelError)
    -> Bool

  /// Whether the members take new connections.
  func states(of members: [ServiceMember]) throws(KernelError) -> [ServiceMember.State]

  /// Takes members out of their services, and others in again, in one transaction.
  ///
  /// - Returns: those that were changed.
  func setMembers(out: [ServiceMember], in: [ServiceMember]) throws(KernelError) -> [ServiceMember]

  /// The packets that the policy has denied; `nil` if its rules are missing.
  ///
  /// Containers with the same policy share one count.
  func deniedPackets(by policy: Policy) throws(KernelError) -> DeniedPackets?

  /// Removes the rules that the reference plugins made. No-op if there are none.
  ///
  /// - Returns: the containers' addresses: the known ones and those found in rules.
  func removeReferenceRules(_ rules: ReferenceRules) throws(KernelError) -> [IPAddress]

  /// Whether the reference plugins made that rule for that attachment.
  func isMadeByReferencePlugins(_ rule: Rule, for owner: AttachmentID) throws(KernelError) -> Bool
}

extension FilterBackend {
  public func replace(_ old: RuleSet?, with ruleSet: RuleSet) throws(KernelError) {
    try remove(ruleSet.owner.filterTag, ruleSet.role, recordedRules: old?.rules)
    try add(ruleSet)
  }

  public func commands(adding ruleSet: RuleSet) throws(KernelError) -> [String] {
    ruleSet.rules.map { "# \(ruleSet.owner.filterTag): add \($0)" }
  }

  public func isNamed(_ network: NetworkName) throws(KernelError) -> Bool { false }
  public func fill(_ contents: PeerContents) throws(KernelError) {}
  public func lacks(_ contents: PeerContents) throws(KernelError) -> Bool { false }
  public func deniedPackets(by policy: Policy) throws(KernelError) -> DeniedPackets? { nil }
  public func needsVirtualAddress(
    _ address: IPAddress, on link: InterfaceName, except tags: Set<String>
  ) throws(KernelError) -> Bool { false }
  public func states(of members: [ServiceMember]) throws(KernelError) -> [ServiceMember.State] {
    members.map { _ in .isMissing }
  }
  public func setMembers(out: [ServiceMember], in: [ServiceMember]) throws(KernelError) -> [ServiceMember] { [] }

  public func removeReferenceRules(_ rules: ReferenceRules) -> [IPAddress] { rules.addresses }
  public func isMadeByReferencePlugins(_ rule: Rule, for owner: AttachmentID) -> Bool { false }
}

extension FilterBackend {
  public func drops(for ruleSet: RuleSet) -> [String] { [] }
  public func dropsByOtherTables(_ connections: [ForwardedConnection]) -> [String] { [] }
  public func hostRules() throws(KernelError) -> HostRules { .nowhere }
  public func hasNftablesTables() throws(KernelError) -> Bool { false }
}

/// The kernel interface that holds the rules that the `iptables` command shows.
public enum HostRules: Sendable {
  case nowhere
  case legacy
  /// In nf_tables, by `iptables-nft`.
  case nftables
}

/// The host's packet filter: chooses a backend and records what was added.
///
/// `HostFilter` implements it; tests use a fake.
public protocol PacketFilter {
  /// Takes the lock that keeps other plugin processes from adding conflicting rules, until `unlock()`.
  ///
  /// - Throws: EAGAIN if another process holds the lock for too long.
  mutating func lock() throws(KernelError)

  /// Releases the lock. No-op if it is not held.
  mutating func unlock()

  /// Adds the rules and records them.
  mutating func add(_ ruleSet: RuleSet) throws(KernelError)

  /// The shell lines that add the rules as `add` does, in order; changes nothing.
  ///
  /// Comments for rules that no command makes.
  mutating func commands(adding ruleSet: RuleSet) throws(KernelError) -> [String]

  /// Replaces all rules of the rule set's owner and role, and records the new ones.
  mutating func set(_ ruleSet: RuleSet) throws(KernelError)

  /// As `set`, if `old` is what was set last: what both have is not looked at, where that is possible.
  mutating func set(_ ruleSet: RuleSet, after old: RuleSet) throws(KernelError)

  /// Removes the role's rules of that owner. No-op if there are none.
  ///
  /// - Parameters:
  ///   - owner: the attachment.
  ///   - role: the plugin.
  ///   - everywhere: whether to search the rulesets too if nothing is recorded.
  /// - Throws: the backend's error.
  mutating func remove(_ owner: AttachmentID, _ role: PluginRole, everywhere: Bool) throws(KernelError)

  /// Removes the reference plugins' rules for an attachment, unless our own rules are recorded for it.
  ///
  /// An attachment has rules of one or of the other, never of both.
  ///
  /// - Parameters:
  ///   - owner: the attachment.
  ///   - role: the plugin.
  ///   - addresses: the container's addresses, as far as they are known.
  ///   - zone: firewalld's zone that may have the addresses as sources.
  /// - Throws: a backend's error.
  mutating func removeReferenceRules(
    of owner: AttachmentID, _ role: PluginRole, addresses: [IPAddress], zone: String?
  ) throws(KernelError)

  /// The rule set's rules that are missing both in our own form and in that of the reference plugins.
  mutating func missing(from ruleSet: RuleSet) throws(KernelError) -> [Rule]

  /// Names the host's rules and policies that certainly drop connections which the rule set's rules are for.
  mutating func drops(for ruleSet: RuleSet) throws(KernelError) -> [String]

  /// Names a host rule or policy that drops every connection of that kind even after ADD; `nil` if none is certain.
  mutating func drop(ofEvery kind: Passage.Kind) throws(KernelError) -> String?

  /// The rule set that was added for that owner and role; `nil` if none is recorded or the record is unusable.
  ///
  /// - Throws: the error that keeps the record from being read now.
  mutating func ruleSet(of owner: AttachmentID, _ role: PluginRole) throws(KernelError) -> RuleSet?

  /// Whether rules of that owner and role are recorded, and these of them are present.
  mutating func has(recorded ruleSet: RuleSet) throws(KernelError) -> Bool

  /// Whether rules of that role are recorded for owners other than these, on any network.
  mutating func hasRecords(except owners: Set<AttachmentID>, _ role: PluginRole) throws(KernelError) -> Bool

  /// Whether published ports of owners other than `owners` need `route_localnet` = 1 on that link.
  ///
  /// With those rules there is also the rule that drops packets for 127.0.0.0/8 that arrive from other hosts.
  mutating func needsRouteLocalnet(_ link: InterfaceName, except owners: Set<AttachmentID>) throws(KernelError) -> Bool

  /// The recorded rule sets of that role, of all networks.
  mutating func ruleSets(_ role: PluginRole) throws(KernelError) -> [RuleSet]

  /// All recorded rule sets of that network.
  mutating func ruleSets(of network: NetworkName) throws(KernelError) -> [RuleSet]

  /// All recorded rule sets of that network except those of `kept`, whose records are not read.
  mutating func ruleSets(of network: NetworkName, except kept: Set<AttachmentID>) throws(KernelError) -> [RuleSet]

  /// The networks that the rule set's policies name and whose links are still to be looked for.
  func unknownNetworks(of ruleSet: RuleSet) throws(KernelError) -> [NetworkName]

  /// Adds links of a network that policies name; it counts as known then. No-op if no policy names it.
  mutating func note(_ links: [InterfaceName], of network: NetworkName) throws(KernelError)

  /// Whether policies name the network, so that its links are to be noted.
  func wantsLinks(of network: NetworkName) throws(KernelError) -> Bool

  /// The host's interfaces in the results of a network that a runtime keeps, also of the reference plugins.
  func cachedInterfaces(of network: NetworkName) throws(KernelError) -> Set<InterfaceName>

  /// Notes what other hosts have of a network, for policies now and later.
  mutating func note(_ network: FarNetwork, of name: NetworkName) throws(KernelError)

  /// Removes that role's rules of all attachments of the network except `valid`.
  mutating func collectGarbage(
    _ network: NetworkName, _ role: PluginRole, valid: Set<AttachmentID>, everywhere: Bool
  ) throws(KernelError)

  /// The published ports that conflict with one of `ports`, with their owners; all published ports if `ports` is `nil`.
  mutating func holders(of ports: [PublishedPort]?) throws(KernelError) -> [PortHolder]

  /// Whether back-ends of owners other than these need the virtual address on that link.
  func needsVirtualAddress(_ address: IPAddress, on link: InterfaceName, except owners: Set<AttachmentID>)
    throws(KernelError)
    -> Bool

  /// The backend for new rules: the wanted one, or the one that fits this host.
  ///
  /// - Throws: EOPNOTSUPP with what this host lacks.
  mutating func backend(_ requested: Backend?) throws(KernelError) -> Backend

  /// Why firewalld cannot be used now; `nil` if it can.
  func firewalldUnavailableReason() -> KernelError?
}

extension PacketFilter {
  public mutating func unlock() {}
  public mutating func commands(adding ruleSet: RuleSet) throws(KernelError) -> [String] {
    ruleSet.rules.map { "# \(ruleSet.owner.filterTag): add \($0)" }
  }
  public mutating func ruleSets(of network: NetworkName, except kept: Set<AttachmentID>) throws(KernelError)
    -> [RuleSet]
  {
    try ruleSets(of: network).filter { !kept.contains($0.owner) }
  }
  public mutating func needsRouteLocalnet(_ link: InterfaceName, except owners: Set<AttachmentID>) throws(KernelError)
    -> Bool
  { false }
  public func needsVirtualAddress(
    _ address: IPAddress, on link: InterfaceName, except owners: Set<AttachmentID>
  ) throws(KernelError) -> Bool { false }
  public func unknownNetworks(of ruleSet: RuleSet) throws(KernelError) -> [NetworkName] { [] }
  public mutating func note(_ links: [InterfaceName], of network: NetworkName) throws(KernelError) {}
  public mutating func note(_ network: FarNetwork, of name: NetworkName) throws(KernelError) {}
  public func wantsLinks(of network: NetworkName) throws(KernelError) -> Bool { false }
  public func cachedInterfaces(of network: NetworkName) throws(KernelError) -> Set<InterfaceName> { [] }
  public mutating func set(_ ruleSet: RuleSet) throws(KernelError) { try add(ruleSet) }
  public mutating func set(_ ruleSet: RuleSet, after old: RuleSet) throws(KernelError) { try set(ruleSet) }
  public func firewalldUnavailableReason() -> KernelError? { NoFirewalld().unavailableReason() }
  public mutating func removeReferenceRules(
    of owner: AttachmentID, _ role: PluginRole, addresses: [IPAddress], zone: String?
  ) throws(KernelError) {}
  public mutating func drops(for ruleSet: RuleSet) throws(KernelError) -> [String] { [] }
  public mutating func drop(ofEvery kind: Passage.Kind) throws(KernelError) -> String? { nil }

  /// Whether this host has that backend.
  ///
  /// - Throws: any error other than "this host lacks it".
  public mutating func has(_ backend: Backend) throws(KernelError) -> Bool {
    do throws(KernelError) {
      _ = try self.backend(backend)
      return true
    } catch  where error.meansUnsupported { return false }
  }

  /// The reason why no rules can be made on this host; `nil` if they can.
  public mutating func obstacle(_ requested: Backend?) -> String? {
    do throws(KernelError) {
      _ = try backend(requested)
      return nil
    } catch { return "\(error)" }
  }

  /// As `obstacle(_:)`; also names what drops the connections that the rules are for.
  public mutating func obstacle(_ requested: Backend?, to kind: Passage.Kind) -> String? {
    if let obstacle = obstacle(requested) { return obstacle }
    do throws(KernelError) { return try drop(ofEvery: kind) } catch { return "\(error)" }
  }
}
