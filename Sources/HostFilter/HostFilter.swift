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
  var iptables: any FilterBackend
  var nftables: any FilterBackend
  let zones: any SourceZones
  let memory: RuleSetFiles
  let records: SourceRecords
  let state: String
  /// The lock; `nil` if it is not held.
  var heldLock: HeldLock?
  /// The files in which the kernel lists the legacy tables in use, one for each family.
  private let legacyTables: [String]

  /// - Parameters:
  ///   - iptables: the backend for the tables of `iptables`.
  ///   - nftables: the backend for our own tables in nf_tables.
  ///   - zones: firewalld.
  ///   - state: the directory for the records and the lock.
  ///   - sources: the directory for records of sources in firewalld's configuration; it survives a reboot.
  ///   - legacyTables: the files that list legacy tables.
  public init(
    iptables: any FilterBackend, nftables: any FilterBackend, zones: any SourceZones = NoZones(),
    state: String = "/run/swift-cni", sources: String = "/var/lib/cni/firewalld",
    legacyTables: [String] = ["/proc/self/net/ip_tables_names", "/proc/self/net/ip6_tables_names"]
  ) {
    self.iptables = iptables
    self.nftables = nftables
    self.zones = zones
    self.state = state
    records = SourceRecords(directory: sources)
    self.legacyTables = legacyTables
    memory = RuleSetFiles(directory: "\(state)/filter")
  }

  public mutating func lock() throws(KernelError) {
    guard heldLock == nil else { return }
    if let slash = state.lastIndex(of: "/") { try Files.makeDirectories(String(state[..<slash])) }
    try SetAside.makeDirectory(state, mode: 0o700)
    let path = "\(state)/filter.lock"
    heldLock = HeldLock(try FileLock(.openLock(path), seconds: 30, doing: "lock \(path)"))
  }

  public mutating func unlock() { heldLock = nil }

  // MARK: which backend

  public mutating func backend(_ wanted: Backend?) throws(KernelError) -> Backend {
    if let wanted {
      try probe(wanted)
      return wanted
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
  private func hasHostRules() throws(KernelError) -> Bool {
    do throws(KernelError) { return try iptables.hasNftablesTables() } catch {
      guard !error.isTemporary else { throw error }
      return false
    }
  }

  /// Whether legacy tables are in use in this network namespace.
  private func hasLegacyTables() throws(KernelError) -> Bool {
    for path in legacyTables {
      do throws(KernelError) {
        if try Files.readIfPresent(path)?.isEmpty == false { return true }
      } catch {
        guard !error.isTemporary else { throw error }  // a file without read permission counts as empty
      }
    }
    return false
  }

  private mutating func probe(_ backend: Backend) throws(KernelError) {
    try use(backend) { (backend) throws(KernelError) in try backend.probe() }
  }

  mutating func use<Value>(
    _ backend: Backend, _ body: (inout any FilterBackend) throws(KernelError) -> Value
  ) throws(KernelError) -> Value {
    switch backend {
    case .iptables: try body(&iptables)
    case .nftables: try body(&nftables)
    }
  }

  /// The backends that may hold rules.
  private mutating func usable() throws(KernelError) -> [Backend] {
    let hasTables = try hasLegacyTables() ? true : try hasHostRules()
    var usable: [Backend] = hasTables ? [.iptables] : []
    do throws(KernelError) {
      try probe(.nftables)
      usable.append(.nftables)
    } catch {
      guard !error.isTemporary else { throw error }  // a backend that cannot be used has no rules of ours
    }
    return usable
  }

  // MARK: rules

  public mutating func add(_ ruleSet: RuleSet) throws(KernelError) {
    if let old = try recordedRuleSet(of: ruleSet.owner, ruleSet.role) { try remove(remembered: old) }
    var ruleSet = ruleSet
    if !ruleSet.isForZonesOnly { ruleSet.backend = try backend(ruleSet.backend) }
    try memory.remember(ruleSet)
    do throws(KernelError) {
      try makeAll(ruleSet)
    } catch {
      forget(ruleSet, after: error)
      throw error
    }
    warn(of: ruleSet)
  }

  /// Deletes the record of a refused rule set; keeps it for DEL if the rules may exist and cannot be removed.
  private mutating func forget(_ ruleSet: RuleSet, after error: KernelError) {
    do throws(KernelError) {
      if error.errno.isOne(of: .EINTR, .ENOMEM, .ENFILE, .EMFILE, .ENOBUFS) { try unmakeAll(ruleSet) }
      try memory.forget(ruleSet.owner, ruleSet.role)
    } catch {}  // the caller reports the backend's error
  }

  public mutating func remove(_ owner: AttachmentID, _ role: PluginRole, everywhere: Bool) throws(KernelError) {
    var reason: KernelError?
    switch try memory.content(of: owner, role) {
    case .ruleSet(let ruleSet): return try remove(remembered: ruleSet)
    case .nothing: guard everywhere else { return }
    case .broken(let error): reason = error
    }
    try removeEverywhere(owner.filterTag, role)
    try removeReference(ReferenceRules(.one(owner), [role]))
    if let reason { try setAside(owner, role, reason) }
  }

  private mutating func remove(remembered ruleSet: RuleSet) throws(KernelError) {
    try unmakeAll(ruleSet)
    try memory.forget(ruleSet.owner, ruleSet.role)
  }

  mutating func removeEverywhere(_ tag: String, _ role: PluginRole) throws(KernelError) {
    for backend in try usable() {
      try use(backend) { (backend) throws(KernelError) in try backend.remove(tag, role, known: nil) }
    }
  }

  public mutating func missing(from ruleSet: RuleSet) throws(KernelError) -> [Rule] {
    let remembered = try self.ruleSet(of: ruleSet.owner, ruleSet.role)
    let missing = try lackingAll(ruleSet, in: remembered?.backend)
    return remembered == nil ? try notMadeByReference(missing, of: ruleSet.owner) : missing
  }

  public func remembersOthers(than owners: Set<AttachmentID>, _ role: PluginRole) throws(KernelError) -> Bool {
    try memory.remembersOthers(than: owners, role)
  }

  public mutating func collectGarbage(
    _ network: NetworkName, _ role: PluginRole, valid: Set<AttachmentID>, everywhere: Bool
  ) throws(KernelError) {
    for ruleSet in try memory.ruleSets(of: network, except: valid)
    where ruleSet.role == role && !valid.contains(ruleSet.owner) {
      try remove(remembered: ruleSet)
    }
    try removeBroken(on: network, role, except: valid)
    if role == .firewall { try sweepZones() }
    guard everywhere else { return }
    let kept = Set(valid.map(\.filterTag))
    for backend in try usable() {
      try use(backend) { (backend) throws(KernelError) in
        let left = try backend.tags(role, prefix: AttachmentID.filterTagPrefix(network)).subtracting(kept)
        for tag in left { try backend.remove(tag, role, known: nil) }
      }
    }
    // The masquerade rules of the reference plugins name the addresses for the other rules, so all parts are removed together.
    try removeReference(ReferenceRules(.others(on: network, than: valid), Set(PluginRole.allCases)))
  }

  public mutating func holders(of ports: [PublishedPort]?) throws(KernelError) -> [PortHolder] {
    var holders: [PortHolder] = []
    for backend in try usable() {
      holders += try use(backend) { (backend) throws(KernelError) in try backend.holders(of: ports) }
    }
    return holders
  }

  // MARK: putting back

  /// The networks with recorded rule sets.
  public func networks() throws(KernelError) -> [NetworkName] { try memory.networks() }

  /// Restores all recorded rules that are missing.
  ///
  /// - Parameters:
  ///   - networks: the networks to check.
  ///   - isLive: whether the attachment still exists.
  /// - Returns: the attachments that lacked rules.
  /// - Throws: the backend's error.
  public mutating func repair(
    _ networks: [NetworkName], where isLive: (AttachmentID) -> Bool = { _ in true }
  ) throws(KernelError) -> [AttachmentID] {
    var ruleSets: [RuleSet] = []
    for network in networks { ruleSets += try memory.ruleSets(of: network).filter { isLive($0.owner) } }
    var repaired: [AttachmentID] = []
    for ruleSet in ruleSets.inOrderOfRepair where try restore(ruleSet) {
      repaired.append(ruleSet.owner)
    }
    return repaired
  }
}

extension [RuleSet] {
  /// The order for repair: published ports first, since `route_localnet` may be on without the rule for 127.0.0.0/8.
  ///
  /// Spare ports come last, after the ports that they are spare for.
  fileprivate var inOrderOfRepair: [RuleSet] {
    let first = filter { !$0.hasSparePorts }
    return first.filter { !$0.localnetLinks.isEmpty } + first.filter(\.localnetLinks.isEmpty) + filter(\.hasSparePorts)
  }
}

extension RuleSet {
  fileprivate var hasSparePorts: Bool {
    rules.contains { if case .publish(let port) = $0 { port.isSpare } else { false } }
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
    let ruleSet = try memory.firstRuleSet(.ports, except: owners) { (ruleSet) throws(KernelError) in
      guard ruleSet.localnetLinks.contains(link) else { return false }
      return try filter.lackingAll(ruleSet, in: ruleSet.backend).isEmpty
    }
    return ruleSet != nil
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
  public mutating func removeReference(
    of owner: AttachmentID, _ role: PluginRole, addresses: [IPAddress], zone: String?
  ) throws(KernelError) {
    guard !memory.remembers(owner, role) else { return }
    if let zone { try releaseReference(addresses.map { ZoneSource($0, in: zone) }) }
    try removeReference(ReferenceRules(.one(owner), [role], addresses: addresses))
  }

  /// Searches nf_tables first: its masquerade rules name the addresses whose rules the other tables hold.
  mutating func removeReference(_ rules: ReferenceRules) throws(KernelError) {
    // No reference plugin has rules for the parts `names` and `tunnels`.
    guard ![[.names], [.tunnels]].contains(rules.roles) else { return }
    var rules = rules
    for backend in [Backend.nftables, .iptables] {
      rules.addresses = try use(backend) { (backend) throws(KernelError) in try backend.removeReference(rules) }
    }
  }

  mutating func notMadeByReference(_ rules: [Rule], of owner: AttachmentID) throws(KernelError) -> [Rule] {
    var missing: [Rule] = []
    // The reference plugins have no passages: their firewall plugin admits each address separately.
    for rule in rules where !rule.isPassage {
      var isThere = false
      for backend in [Backend.nftables, .iptables] where !isThere {
        isThere = try use(backend) { (backend) throws(KernelError) in
          try backend.isMadeByReference(rule, for: owner)
        }
      }
      if !isThere { missing.append(rule) }
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
    let old = try recordedRuleSet(of: ruleSet.owner, ruleSet.role)
    var ruleSet = ruleSet
    ruleSet.backend = try backend(ruleSet.backend)
    guard ruleSet.isReplaceable, old?.isReplaceable ?? true else { return try add(ruleSet) }
    if old == ruleSet, try nftables.missing(from: ruleSet).isEmpty { return }
    try memory.forget(ruleSet.owner, ruleSet.role)
    do throws(KernelError) {
      try nftables.replace(old, with: ruleSet)
      try memory.remember(ruleSet)
    } catch {
      putBack(old, insteadOf: ruleSet)
      throw error
    }
  }

  /// Restores the old rules as far as possible; the caller reports the first error.
  private mutating func putBack(_ old: RuleSet?, insteadOf ruleSet: RuleSet) {
    guard let old else {
      try? nftables.remove(ruleSet.owner.filterTag, ruleSet.role, known: nil)
      return
    }
    do throws(KernelError) {
      try nftables.replace(nil, with: old)
      try memory.remember(old)
    } catch {}
  }
}

extension RuleSet {
  /// Whether all its rules are in our own nf_tables tables, which one transaction can change.
  fileprivate var isReplaceable: Bool { backend == .nftables && passages.isEmpty }
}
