public import CNI
import Glibc
import Iptables
import Linux
public import NetTypes
import Nftables
public import PacketFilter

/// The host's packet filter: chooses a backend and records on disk what was added.
///
/// The record is written before the rules are added and deleted after they are removed. So if a process is killed in
/// between, the next DEL or GC finds the record. It also lists the rules to restore after another program has flushed the
/// ruleset.
public struct HostFilter: PacketFilter {
  let iptables: any FilterBackend
  let nftables: any FilterBackend
  let zones: any FirewalldClient
  let ruleSetFiles: RuleSetFiles
  let sourceRecords: SourceRecords
  let state: String
  /// The directory with the results that libcni keeps.
  let resultCache: String
  /// The lock; `nil` if it is not held.
  var filterLock: FilterLock?
  /// The files in which the kernel lists the legacy tables in use, one for each family.
  private let legacyTables: [String]

  public static let legacyTables = ["/proc/self/net/ip_tables_names", "/proc/self/net/ip6_tables_names"]

  /// - Parameters:
  ///   - iptables: the backend for the tables of `iptables`.
  ///   - nftables: the backend for our own tables in nf_tables.
  ///   - zones: firewalld.
  ///   - state: the directory for the records and the lock.
  ///   - resultCache: the directory with the results that libcni keeps.
  ///   - sources: the directory for records of sources in firewalld's configuration; it survives a reboot.
  ///   - legacyTables: the files that list legacy tables.
  public init(
    iptables: any FilterBackend, nftables: any FilterBackend, zones: any FirewalldClient = NoFirewalld(),
    state: String = StatePaths.run, resultCache: String = "\(StatePaths.resultCache)/results",
    sources: String = StatePaths.firewalldSources,
    legacyTables: [String] = Self.legacyTables
  ) {
    self.iptables = iptables
    self.nftables = nftables
    self.zones = zones
    (self.state, self.resultCache) = (state, resultCache)
    sourceRecords = SourceRecords(directory: sources)
    self.legacyTables = legacyTables
    ruleSetFiles = RuleSetFiles(directory: "\(state)/filter")
  }

  public mutating func lock() throws(KernelError) {
    guard filterLock == nil else { return }
    if let slash = state.lastIndex(of: "/") { try Files.makeDirectories(String(state[..<slash])) }
    try SetAside.makeDirectory(state, mode: 0o700)
    let path = "\(state)/filter.lock"
    filterLock = FilterLock(try FileLock(.openLock(path), seconds: 30, doing: "lock \(path)"))
  }

  public mutating func unlock() { filterLock = nil }

  // MARK: which backend

  public mutating func backend(_ requested: Backend?) throws(KernelError) -> Backend {
    if let requested {
      try probe(requested)
      return requested
    }
    if try hasLegacyTables(), try iptables.hostRules() != .nftables { return .iptables }
    do throws(KernelError) {
      try probe(.nftables)
      return .nftables
    } catch {
      let lacksNftables = error
      guard !error.isTemporary else { throw error }
      do throws(KernelError) {
        try probe(.iptables)
        return .iptables
      } catch {
        throw KernelError("choose a packet filter", errno: .EOPNOTSUPP, reason: "\(lacksNftables); \(error)")
      }
    }
  }

  /// Whether nf_tables holds tables that the `iptables` command shows.
  private func nftablesHasHostTables() throws(KernelError) -> Bool {
    do throws(KernelError) { return try iptables.hasNftablesTables() } catch {
      guard !error.isTemporary else { throw error }
      return false
    }
  }

  private func hasLegacyTables() throws(KernelError) -> Bool { try Self.hasLegacyTables(in: legacyTables) }

  /// Whether legacy tables are in use in this network namespace.
  private static func hasLegacyTables(in files: [String]) throws(KernelError) -> Bool {
    for path in files {
      do throws(KernelError) {
        if try Files.readIfPresent(path)?.isEmpty == false { return true }
      } catch {
        guard !error.isTemporary else { throw error }  // a file without read permission counts as empty
      }
    }
    return false
  }

  private mutating func probe(_ backend: Backend) throws(KernelError) {
    try withBackend(backend) { (backend) throws(KernelError) in try backend.probe() }
  }

  mutating func withBackend<Value>(
    _ backend: Backend, _ body: (any FilterBackend) throws(KernelError) -> Value
  ) throws(KernelError) -> Value {
    switch backend {
    case .iptables: try body(iptables)
    case .nftables: try body(nftables)
    }
  }

  /// The backends that may hold rules.
  mutating func usableBackends() throws(KernelError) -> [Backend] {
    let hasTables = try hasLegacyTables() ? true : try nftablesHasHostTables()
    var usable: [Backend] = hasTables ? [.iptables] : []
    do throws(KernelError) {
      try probe(.nftables)
      usable.append(.nftables)
    } catch {
      guard !error.isTemporary else { throw error }  // a backend that cannot be used has no rules of ours
    }
    return usable
  }

  /// Whether calls on this host load libraries: libiptc for legacy tables, libdbus for firewalld.
  public static var loadsLibraries: Bool {
    Firewalld.mayRun || (try? hasLegacyTables(in: legacyTables)) ?? true
  }

  // MARK: rules

  public mutating func add(_ ruleSet: RuleSet) throws(KernelError) {
    try inTurn(ruleSet.role) { (filter) throws(KernelError) in try filter.addNow(ruleSet) }
  }

  private mutating func addNow(_ ruleSet: RuleSet) throws(KernelError) {
    let old = try recordedRuleSet(of: ruleSet.owner, ruleSet.role)
    if let old { try removeRecorded(old) }
    var ruleSet = ruleSet
    if !ruleSet.isForZonesOnly { ruleSet.backend = try backend(ruleSet.backend) }
    try ruleSetFiles.write(ruleSet)
    do throws(KernelError) {
      try addRulesAndSources(ruleSet)
    } catch {
      deleteRecord(of: ruleSet, after: error)
      throw error
    }
    try updateProxiesOrRemove(ruleSet, in: old)
    warn(of: ruleSet)
  }

  /// Deletes the record of a refused rule set; keeps it for DEL if the rules may exist and cannot be removed.
  private mutating func deleteRecord(of ruleSet: RuleSet, after error: KernelError) {
    do throws(KernelError) {
      if error.errno.isOne(of: .EINTR, .ENOMEM, .ENFILE, .EMFILE, .ENOBUFS) { try removeRulesAndSources(ruleSet) }
      try ruleSetFiles.delete(ruleSet.owner, ruleSet.role)
    } catch {}  // the caller reports the backend's error
  }

  public mutating func remove(_ owner: AttachmentID, _ role: PluginRole, everywhere: Bool) throws(KernelError) {
    // Others need no lock.
    guard ![.policies, .services].contains(role) || everywhere || ruleSetFiles.exists(owner, role) else { return }
    try inTurn(role, removing: true) { (filter) throws(KernelError) in
      let old = role == .services ? try filter.ruleSet(of: owner, role) : nil
      try filter.removeNow(owner, role, everywhere: everywhere)
      try filter.updateProxies(of: owner.network, for: role, changing: old.map { [$0] })
      if role == .policies, everywhere, owner == .tunnel(of: owner.network) {
        try filter.forgetFarNetwork(owner.network)
      }
    }
  }

  private mutating func removeNow(_ owner: AttachmentID, _ role: PluginRole, everywhere: Bool) throws(KernelError) {
    var reason: KernelError?
    switch try ruleSetFiles.content(of: owner, role) {
    case .ruleSet(let ruleSet): return try removeRecorded(ruleSet)
    case .nothing: guard everywhere else { return }
    case .broken(let error): reason = error
    }
    try removeEverywhere(owner.filterTag, role)
    try removeReferenceRules(ReferenceRules(.attachment(owner), [role]))
    if let reason { try setAside(owner, role, reason) }
  }

  mutating func removeRecorded(_ ruleSet: RuleSet) throws(KernelError) {
    try removeRulesAndSources(ruleSet)
    try ruleSetFiles.delete(ruleSet.owner, ruleSet.role)
  }

  mutating func removeEverywhere(_ tag: String, _ role: PluginRole) throws(KernelError) {
    for backend in try usableBackends() {
      try withBackend(backend) { (backend) throws(KernelError) in try backend.remove(tag, role, recordedRules: nil) }
    }
  }

  public mutating func missing(from ruleSet: RuleSet) throws(KernelError) -> [Rule] {
    let recorded = try self.ruleSet(of: ruleSet.owner, ruleSet.role)
    let missing = try missingRulesAndSources(ruleSet, in: recorded?.backend)
    return recorded == nil ? try rulesNotMadeByReference(missing, of: ruleSet.owner) : missing
  }

  /// Does not read the record, which may list thousands of hosts.
  public mutating func has(recorded ruleSet: RuleSet) throws(KernelError) -> Bool {
    guard ruleSetFiles.exists(ruleSet.owner, ruleSet.role) else { return false }
    return try missingRulesAndSources(ruleSet, in: ruleSet.backend).isEmpty
  }

  public func hasRecords(except owners: Set<AttachmentID>, _ role: PluginRole) throws(KernelError) -> Bool {
    try ruleSetFiles.hasRecords(except: owners, role)
  }

  public mutating func holders(of ports: [PublishedPort]?) throws(KernelError) -> [PortHolder] {
    var holders: [PortHolder] = []
    for backend in try usableBackends() {
      holders += try withBackend(backend) { (backend) throws(KernelError) in try backend.holders(of: ports) }
    }
    return holders
  }
}

extension HostFilter {
  /// The filter of this host.
  public init() { self.init(iptables: IptablesBackend(), nftables: NftablesBackend(), zones: Firewalld()) }
}

/// `route_localnet` of the host's links, and the rule that drops packets for 127.0.0.0/8 from elsewhere.
///
/// The rule is present as long as the same backend has rules of published ports.
extension HostFilter {
  public mutating func needsRouteLocalnet(
    _ link: InterfaceName, except owners: Set<AttachmentID>
  ) throws(KernelError) -> Bool {
    var filter = self
    // A recorded rule set alone is not enough: an ADD that was killed may have recorded rules without adding them.
    return try ruleSetFiles.hasRuleSet(.ports, except: owners) { (ruleSet) throws(KernelError) in
      guard ruleSet.localnetLinks.contains(link) else { return false }
      return try filter.missingRulesAndSources(ruleSet, in: ruleSet.backend).isEmpty
    }
  }

  /// Sets `route_localnet` for rules that were restored.
  func enableRouteLocalnet(for ruleSet: RuleSet) throws(KernelError) {
    for link in ruleSet.localnetLinks {
      let path = "/proc/sys/net/ipv4/conf/\(link)/route_localnet"
      // A link that does not exist any more needs no setting.
      guard let value = try Files.readIfPresent(path), value.first == UInt8(ascii: "0") else { continue }
      try Files.overwrite(path, with: "1")
    }
  }
}

/// Rules that the reference plugins made before our plugins replaced them.
extension HostFilter {
  public mutating func removeReferenceRules(
    of owner: AttachmentID, _ role: PluginRole, addresses: [IPAddress], zone: String?
  ) throws(KernelError) {
    guard !ruleSetFiles.exists(owner, role) else { return }
    if let zone { try removeReferenceSources(addresses.map { ZoneSource($0, in: zone) }) }
    try removeReferenceRules(ReferenceRules(.attachment(owner), [role], addresses: addresses))
  }

  /// Searches nf_tables first: its masquerade rules name the addresses whose rules the other tables hold.
  mutating func removeReferenceRules(_ rules: ReferenceRules) throws(KernelError) {
    // No reference plugin has rules for these roles.
    guard ![[.names], [.tunnels], [.policies], [.services]].contains(rules.roles) else { return }
    var rules = rules
    for backend in [Backend.nftables, .iptables] {
      rules.addresses = try withBackend(backend) { (backend) throws(KernelError) in
        try backend.removeReferenceRules(rules)
      }
    }
  }

  mutating func rulesNotMadeByReference(_ rules: [Rule], of owner: AttachmentID) throws(KernelError) -> [Rule] {
    var missing: [Rule] = []
    // The reference plugins have no passages: their firewall plugin admits each address separately.
    for rule in rules where !rule.isPassage {
      var isPresent = false
      for backend in [Backend.nftables, .iptables] where !isPresent {
        isPresent = try withBackend(backend) { (backend) throws(KernelError) in
          try backend.isMadeByReferencePlugins(rule, for: owner)
        }
      }
      if !isPresent { missing.append(rule) }
    }
    return missing
  }
}

extension HostFilter {
  /// Replaces the rules, then the rule set file, which is absent in between; changes nothing if the rules are equal.
  ///
  /// If the process is killed in between, the next call finds no file and removes all rules with that owner's tag. A file
  /// that listed too few rules would leave the others in place: for instance, a removed peer would still be accepted.
  public mutating func set(_ ruleSet: RuleSet) throws(KernelError) {
    try inTurn(ruleSet.role, removing: true) { (filter) throws(KernelError) in
      let old = ruleSet.role == .services ? try filter.ruleSet(of: ruleSet.owner, ruleSet.role) : nil
      try filter.setNow(ruleSet)
      try filter.updateProxies(
        of: ruleSet.owner.network, for: ruleSet.role, changing: [old, ruleSet].compactMap { $0 })
    }
  }

  private mutating func setNow(_ ruleSet: RuleSet) throws(KernelError) {
    let old = try recordedRuleSet(of: ruleSet.owner, ruleSet.role)
    var ruleSet = ruleSet
    ruleSet.backend = try backend(ruleSet.backend)
    guard ruleSet.isReplaceable, old?.isReplaceable ?? true else { return try addNow(ruleSet) }
    if old == ruleSet, try missingRules(ruleSet, in: .nftables).isEmpty { return }
    if old != nil { try ruleSetFiles.delete(ruleSet.owner, ruleSet.role) }
    do throws(KernelError) {
      try expectPeers(of: ruleSet)
      // Before the rules, so that an ADD that needs none removes those of a killed one.
      if old == nil { try ruleSetFiles.write(ruleSet) }
      try nftables.replace(old, with: ruleSet)
      try addPeers(of: ruleSet)
      if old != nil { try ruleSetFiles.write(ruleSet) }
    } catch {
      rollBack(to: old, from: ruleSet)
      throw error
    }
  }

  /// Changes only what differs between two lists of a tunnel's hosts; anything else, or a refusal, as without `old`.
  public mutating func set(_ ruleSet: RuleSet, after old: RuleSet) throws(KernelError) {
    guard let change = TunnelGuardChange(from: old, to: ruleSet), ruleSetFiles.exists(ruleSet.owner, ruleSet.role)
    else {
      return try set(ruleSet)
    }
    try ruleSetFiles.forget(ruleSet)
    do throws(KernelError) {
      try nftables.change(change.old, to: change.new)
      try ruleSetFiles.write(ruleSet)
    } catch {
      // Another process changed the rules, or the record cannot be written.
      try set(ruleSet)
    }
  }

  /// Restores the old rules as far as possible; the caller reports the first error.
  private mutating func rollBack(to old: RuleSet?, from ruleSet: RuleSet) {
    do throws(KernelError) {
      guard let old else {
        try nftables.remove(ruleSet.owner.filterTag, ruleSet.role, recordedRules: nil)
        return try ruleSetFiles.delete(ruleSet.owner, ruleSet.role)
      }
      try nftables.replace(nil, with: old)
      try addPeers(of: old)
      try ruleSetFiles.write(old)
    } catch {}
  }
}

extension RuleSet {
  /// Whether all its rules are in our own nf_tables tables, which one transaction can change.
  fileprivate var isReplaceable: Bool { backend == .nftables && passages.isEmpty }
}
