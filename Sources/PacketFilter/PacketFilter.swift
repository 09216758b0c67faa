public import CNI
public import NetTypes

/// What can make rules so: libiptc's tables or nftables.
///
/// Every call is one transaction: it happens whole or not at all. Nobody's but our own chains, tables and sets are
/// changed, but for the jumps into them, which come with the first rule and go with the last: then the ruleset is, byte
/// for byte, what it was before.
public protocol FilterBackend {
  /// Adds the rules and marks them with the owner's `filterTag`.
  ///
  /// A spare port (`isSpare`) may be published already, by its container's other networks: it counts once those are gone.
  ///
  /// - Throws: EEXIST where one of the other ports is published already.
  mutating func add(_ claim: Claim) throws(KernelError)

  /// Replaces all rules of the claim's owner and part.
  ///
  /// - Parameters:
  ///   - old: the claim that was added before; `nil`: not known, the ruleset is searched for its rules.
  ///   - claim: the new one.
  /// - Throws: what the backend said.
  mutating func replace(_ old: Claim?, with claim: Claim) throws(KernelError)

  /// Removes whatever rules of that part have this tag; nothing happens where there are none.
  ///
  /// - Parameters:
  ///   - tag: an owner's `filterTag`.
  ///   - part: the plugin whose rules they are.
  ///   - known: the rules as they were added, where somebody remembers: then nothing else need be looked through, but
  ///     they may be gone or changed.
  /// - Throws: what the backend said; nothing was removed then.
  mutating func remove(_ tag: String, _ part: Part, known: [Rule]?) throws(KernelError)

  /// Those of the claim's rules that are not there as they were added.
  mutating func missing(from claim: Claim) throws(KernelError) -> [Rule]

  /// The tags that begin with `prefix` among that part's rules.
  mutating func tags(_ part: Part, prefix: String) throws(KernelError) -> Set<String>

  /// The published ports that conflict with one of `ports`, and whose they are; of all where `ports` is `nil`.
  mutating func holders(of ports: [PublishedPort]?) throws(KernelError) -> [PortHolder]

  /// Names the host's rules and policies that certainly drop connections which the claim's rules, passages too, are for.
  mutating func drops(for claim: Claim) throws(KernelError) -> [String]

  /// As `drops(for:)`, without FORWARD of `iptables`, which ADD's passages get past.
  func dropsByOtherTables(_ connections: [ForwardedConnection]) throws(KernelError) -> [String]

  /// Where the host's own rules are, as the backend `iptables` sees it.
  func hostRules() throws(KernelError) -> HostRules

  /// Whether nf_tables holds tables that `iptables` shows.
  func hasNftablesTables() throws(KernelError) -> Bool

  /// Whether this host has what the backend needs.
  ///
  /// - Throws: what is missing.
  mutating func probe() throws(KernelError)

  /// Removes what the reference plugins made; nothing happens where there is nothing.
  ///
  /// - Returns: the containers' addresses: those that were known and those found in rules.
  mutating func removeReference(_ rules: ReferenceRules) throws(KernelError) -> [IPAddress]

  /// Whether the reference plugins made that rule for that attachment.
  mutating func isMadeByReference(_ rule: Rule, for owner: Owner) throws(KernelError) -> Bool
}

extension FilterBackend {
  public mutating func replace(_ old: Claim?, with claim: Claim) throws(KernelError) {
    try remove(claim.owner.filterTag, claim.part, known: old?.rules)
    try add(claim)
  }

  public mutating func removeReference(_ rules: ReferenceRules) -> [IPAddress] { rules.addresses }
  public mutating func isMadeByReference(_ rule: Rule, for owner: Owner) -> Bool { false }
}

extension FilterBackend {
  public mutating func drops(for claim: Claim) -> [String] { [] }
  public func dropsByOtherTables(_ connections: [ForwardedConnection]) -> [String] { [] }
  public func hostRules() throws(KernelError) -> HostRules { .nowhere }
  public func hasNftablesTables() throws(KernelError) -> Bool { false }
}

/// Where the host has rules that the `iptables` command shows.
public enum HostRules: Sendable {
  case nowhere
  case legacy
  /// In nf_tables: `iptables-nft`.
  case nftables
}

/// The host's packet filter: chooses a backend, remembers what was added.
///
/// `HostFilter` implements it; tests use a fake.
public protocol PacketFilter {
  /// Keeps others from adding rules that could conflict with those that were looked for; held until `unlock()`.
  ///
  /// - Throws: EAGAIN where another holds it for too long.
  mutating func lock() throws(KernelError)

  /// Releases the lock. No-op if it is not held.
  mutating func unlock()

  /// Adds the rules and remembers them.
  mutating func add(_ claim: Claim) throws(KernelError)

  /// Replaces all rules of the claim's owner and part, and remembers them.
  mutating func set(_ claim: Claim) throws(KernelError)

  /// Removes the part's rules of that owner; nothing happens where there are none.
  ///
  /// - Parameters:
  ///   - owner: whose.
  ///   - part: which plugin's.
  ///   - everywhere: whether to look through the rulesets too where nothing is remembered.
  /// - Throws: what the backend said.
  mutating func remove(_ owner: Owner, _ part: Part, everywhere: Bool) throws(KernelError)

  /// Removes what the reference plugins made for that attachment, unless rules of ours are remembered for it: an attachment has one or the other.
  ///
  /// - Parameters:
  ///   - owner: whose.
  ///   - part: which plugin's.
  ///   - addresses: the container's, as far as they are known.
  ///   - zone: firewalld's zone that may have the addresses as sources.
  /// - Throws: what a backend said.
  mutating func removeReference(
    of owner: Owner, _ part: Part, addresses: [IPAddress], zone: String?
  ) throws(KernelError)

  /// The rules of the claim that are not there as they were added, nor as the reference plugins made them.
  mutating func missing(from claim: Claim) throws(KernelError) -> [Rule]

  /// Names the host's rules and policies that certainly drop connections which the claim's rules are for.
  mutating func drops(for claim: Claim) throws(KernelError) -> [String]

  /// Names a rule or policy of the host that drops every connection of that kind after ADD too; `nil` if none is certain.
  mutating func drop(ofEvery kind: Passage.Kind) throws(KernelError) -> String?

  /// What was added for that owner and part; `nil` where nothing is remembered, or what cannot be used.
  ///
  /// - Throws: what keeps it from being read now.
  mutating func claim(of owner: Owner, _ part: Part) throws(KernelError) -> Claim?

  /// Whether rules of that part are remembered for others than these owners, on any network.
  mutating func remembersOthers(than owners: Set<Owner>, _ part: Part) throws(KernelError) -> Bool

  /// Whether rules of published ports are in place that need `route_localnet` of that link, but for those of `owners`.
  ///
  /// Where they are, so is the rule that drops what comes for 127.0.0.0/8 from elsewhere.
  mutating func needsRouteLocalnet(_ link: InterfaceName, besides owners: Set<Owner>) throws(KernelError) -> Bool

  /// Everything that is remembered of that network.
  mutating func claims(of network: NetworkName) throws(KernelError) -> [Claim]

  /// The same but for these attachments, of which nothing is read.
  mutating func claims(of network: NetworkName, besides kept: Set<Owner>) throws(KernelError) -> [Claim]

  /// Removes that part's rules of all attachments of the network but `valid`.
  mutating func collectGarbage(
    _ network: NetworkName, _ part: Part, valid: Set<Owner>, everywhere: Bool
  ) throws(KernelError)

  /// The published ports that conflict with one of `ports`, and whose they are; of all where `ports` is `nil`.
  mutating func holders(of ports: [PublishedPort]?) throws(KernelError) -> [PortHolder]

  /// The backend that new rules go to: the wanted one, or the one that fits this host.
  ///
  /// - Throws: EOPNOTSUPP saying what this host lacks.
  mutating func backend(_ wanted: Backend?) throws(KernelError) -> Backend

  /// Why firewalld cannot be used now; `nil` if it can.
  func zonesAbsence() -> KernelError?
}

extension PacketFilter {
  public mutating func unlock() {}
  public mutating func claims(of network: NetworkName, besides kept: Set<Owner>) throws(KernelError) -> [Claim] {
    try claims(of: network).filter { !kept.contains($0.owner) }
  }
  public mutating func needsRouteLocalnet(_ link: InterfaceName, besides owners: Set<Owner>) -> Bool { false }
  public mutating func set(_ claim: Claim) throws(KernelError) { try add(claim) }
  public func zonesAbsence() -> KernelError? { NoZones().absence() }
  public mutating func removeReference(of owner: Owner, _ part: Part, addresses: [IPAddress], zone: String?) {}
  public mutating func drops(for claim: Claim) -> [String] { [] }
  public mutating func drop(ofEvery kind: Passage.Kind) -> String? { nil }

  /// Whether this host has it.
  ///
  /// - Throws: what does not say that the host lacks it.
  public mutating func has(_ backend: Backend) throws(KernelError) -> Bool {
    do throws(KernelError) {
      _ = try self.backend(backend)
      return true
    } catch  where error.saysAbsent { return false }
  }

  /// Why no rules can be made on this host; `nil` where they can.
  public mutating func obstacle(_ wanted: Backend?) -> String? {
    do throws(KernelError) {
      _ = try backend(wanted)
      return nil
    } catch { return "\(error)" }
  }

  /// As `obstacle(_:)`, or what drops the connections that the rules are for.
  public mutating func obstacle(_ wanted: Backend?, to kind: Passage.Kind) -> String? {
    if let obstacle = obstacle(wanted) { return obstacle }
    do throws(KernelError) { return try drop(ofEvery: kind) } catch { return "\(error)" }
  }
}

/// Where there are no rules and none can be made: plugins that need no packet filter.
public struct NoPacketFilter: PacketFilter {
  public init() {}

  public func lock() {}
  public func add(_ claim: Claim) throws(KernelError) { _ = try backend(claim.backend) }
  public func remove(_ owner: Owner, _ part: Part, everywhere: Bool) {}
  public func missing(from claim: Claim) -> [Rule] { claim.rules }
  public func claim(of owner: Owner, _ part: Part) -> Claim? { nil }
  public func remembersOthers(than owners: Set<Owner>, _ part: Part) -> Bool { false }
  public func claims(of network: NetworkName) -> [Claim] { [] }
  public func collectGarbage(_ network: NetworkName, _ part: Part, valid: Set<Owner>, everywhere: Bool) {}
  public func holders(of ports: [PublishedPort]?) -> [PortHolder] { [] }

  public func backend(_ wanted: Backend?) throws(KernelError) -> Backend {
    throw KernelError("choose a packet filter", errno: .EOPNOTSUPP, reason: "this plugin uses none")
  }
}

/// A published port and the tag of the rules it belongs to.
public struct PortHolder: Equatable, Sendable {
  public var port: PublishedPort
  /// An owner's `filterTag`.
  public var tag: String

  public init(_ port: PublishedPort, tag: String) {
    self.port = port
    self.tag = tag
  }
}
