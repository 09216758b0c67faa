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
  let memory: ClaimFiles
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
    memory = ClaimFiles(directory: "\(state)/filter")
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
      guard !error.mayPass else { throw error }
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
      guard !error.mayPass else { throw error }
      return false
    }
  }

  /// Whether legacy tables are in use in this network namespace.
  private func hasLegacyTables() throws(KernelError) -> Bool {
    for path in legacyTables {
      do throws(KernelError) {
        if try Files.readIfPresent(path)?.isEmpty == false { return true }
      } catch {
        guard !error.mayPass else { throw error }  // a file without read permission counts as empty
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
      guard !error.mayPass else { throw error }  // a backend that cannot be used has no rules of ours
    }
    return usable
  }

  // MARK: rules

  public mutating func add(_ claim: Claim) throws(KernelError) {
    if let old = try rememberedClaim(of: claim.owner, claim.part) { try remove(remembered: old) }
    var claim = claim
    if !claim.isForZonesOnly { claim.backend = try backend(claim.backend) }
    try memory.remember(claim)
    do throws(KernelError) {
      try makeAll(claim)
    } catch {
      forget(claim, after: error)
      throw error
    }
    warn(of: claim)
  }

  /// Deletes the record of a refused claim; keeps it for DEL if the rules may exist and cannot be removed.
  private mutating func forget(_ claim: Claim, after error: KernelError) {
    do throws(KernelError) {
      if error.errno.isOne(of: .EINTR, .ENOMEM, .ENFILE, .EMFILE, .ENOBUFS) { try unmakeAll(claim) }
      try memory.forget(claim.owner, claim.part)
    } catch {}  // the caller reports the backend's error
  }

  public mutating func remove(_ owner: Owner, _ part: Part, everywhere: Bool) throws(KernelError) {
    var reason: KernelError?
    switch try memory.content(of: owner, part) {
    case .claim(let claim): return try remove(remembered: claim)
    case .nothing: guard everywhere else { return }
    case .broken(let error): reason = error
    }
    try removeEverywhere(owner.filterTag, part)
    try removeReference(ReferenceRules(.one(owner), [part]))
    if let reason { try setAside(owner, part, reason) }
  }

  private mutating func remove(remembered claim: Claim) throws(KernelError) {
    try unmakeAll(claim)
    try memory.forget(claim.owner, claim.part)
  }

  mutating func removeEverywhere(_ tag: String, _ part: Part) throws(KernelError) {
    for backend in try usable() {
      try use(backend) { (backend) throws(KernelError) in try backend.remove(tag, part, known: nil) }
    }
  }

  public mutating func missing(from claim: Claim) throws(KernelError) -> [Rule] {
    let remembered = try self.claim(of: claim.owner, claim.part)
    let missing = try lackingAll(claim, in: remembered?.backend)
    return remembered == nil ? try notMadeByReference(missing, of: claim.owner) : missing
  }

  public func remembersOthers(than owners: Set<Owner>, _ part: Part) throws(KernelError) -> Bool {
    try memory.remembersOthers(than: owners, part)
  }

  public mutating func collectGarbage(
    _ network: NetworkName, _ part: Part, valid: Set<Owner>, everywhere: Bool
  ) throws(KernelError) {
    for claim in try memory.claims(of: network, besides: valid) where claim.part == part && !valid.contains(claim.owner)
    {
      try remove(remembered: claim)
    }
    try removeBroken(on: network, part, besides: valid)
    if part == .firewall { try sweepZones() }
    guard everywhere else { return }
    let kept = Set(valid.map(\.filterTag))
    for backend in try usable() {
      try use(backend) { (backend) throws(KernelError) in
        let left = try backend.tags(part, prefix: Owner.filterTagPrefix(network)).subtracting(kept)
        for tag in left { try backend.remove(tag, part, known: nil) }
      }
    }
    // The masquerade rules of the reference plugins name the addresses for the other rules, so all parts are removed together.
    try removeReference(ReferenceRules(.others(on: network, than: valid), Set(Part.allCases)))
  }

  public mutating func holders(of ports: [PublishedPort]?) throws(KernelError) -> [PortHolder] {
    var holders: [PortHolder] = []
    for backend in try usable() {
      holders += try use(backend) { (backend) throws(KernelError) in try backend.holders(of: ports) }
    }
    return holders
  }

  // MARK: putting back

  /// The networks with recorded claims.
  public func networks() throws(KernelError) -> [NetworkName] { try memory.networks() }

  /// Restores all recorded rules that are missing.
  ///
  /// - Parameters:
  ///   - networks: the networks to check.
  ///   - isLive: whether the attachment still exists.
  /// - Returns: the attachments that lacked rules.
  /// - Throws: the backend's error.
  public mutating func repair(
    _ networks: [NetworkName], where isLive: (Owner) -> Bool = { _ in true }
  ) throws(KernelError) -> [Owner] {
    var claims: [Claim] = []
    for network in networks { claims += try memory.claims(of: network).filter { isLive($0.owner) } }
    var repaired: [Owner] = []
    for claim in claims.inOrderOfRepair where try restore(claim) {
      repaired.append(claim.owner)
    }
    return repaired
  }
}

extension [Claim] {
  /// The order for repair: published ports first, since `route_localnet` may be on without the rule for 127.0.0.0/8.
  ///
  /// Spare ports come last, after the ports that they are spare for.
  fileprivate var inOrderOfRepair: [Claim] {
    let first = filter { !$0.hasSparePorts }
    return first.filter { !$0.localnetLinks.isEmpty } + first.filter(\.localnetLinks.isEmpty) + filter(\.hasSparePorts)
  }
}

extension Claim {
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
    _ link: InterfaceName, besides owners: Set<Owner>
  ) throws(KernelError) -> Bool {
    var filter = self
    // A recorded claim alone is not enough: an ADD that was killed may have recorded rules without adding them.
    let claim = try memory.firstClaim(.ports, besides: owners) { (claim) throws(KernelError) in
      guard claim.localnetLinks.contains(link) else { return false }
      return try filter.lackingAll(claim, in: claim.backend).isEmpty
    }
    return claim != nil
  }

  /// Sets `route_localnet` for rules that were restored.
  func enableRouteLocalnet(for claim: Claim) throws(KernelError) {
    for link in claim.localnetLinks {
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
    of owner: Owner, _ part: Part, addresses: [IPAddress], zone: String?
  ) throws(KernelError) {
    guard !memory.remembers(owner, part) else { return }
    if let zone { try releaseReference(addresses.map { ZoneSource($0, in: zone) }) }
    try removeReference(ReferenceRules(.one(owner), [part], addresses: addresses))
  }

  /// Searches nf_tables first: its masquerade rules name the addresses whose rules the other tables hold.
  mutating func removeReference(_ rules: ReferenceRules) throws(KernelError) {
    // No reference plugin has rules for the parts `names` and `tunnels`.
    guard ![[.names], [.tunnels]].contains(rules.parts) else { return }
    var rules = rules
    for backend in [Backend.nftables, .iptables] {
      rules.addresses = try use(backend) { (backend) throws(KernelError) in try backend.removeReference(rules) }
    }
  }

  mutating func notMadeByReference(_ rules: [Rule], of owner: Owner) throws(KernelError) -> [Rule] {
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
  /// Replaces the rules, then the claim file, which is absent in between; changes nothing if the rules are equal.
  ///
  /// If the process is killed in between, the next call finds no file and removes all rules with that owner's tag. A file
  /// that listed too few rules would leave the others in place: for instance, a removed peer would still be accepted.
  public mutating func set(_ claim: Claim) throws(KernelError) {
    let old = try rememberedClaim(of: claim.owner, claim.part)
    var claim = claim
    claim.backend = try backend(claim.backend)
    guard claim.isReplaceable, old?.isReplaceable ?? true else { return try add(claim) }
    if old == claim, try nftables.missing(from: claim).isEmpty { return }
    try memory.forget(claim.owner, claim.part)
    do throws(KernelError) {
      try nftables.replace(old, with: claim)
      try memory.remember(claim)
    } catch {
      putBack(old, insteadOf: claim)
      throw error
    }
  }

  /// Restores the old rules as far as possible; the caller reports the first error.
  private mutating func putBack(_ old: Claim?, insteadOf claim: Claim) {
    guard let old else {
      try? nftables.remove(claim.owner.filterTag, claim.part, known: nil)
      return
    }
    do throws(KernelError) {
      try nftables.replace(nil, with: old)
      try memory.remember(old)
    } catch {}
  }
}

extension Claim {
  /// Whether all its rules are in our own nf_tables tables, which one transaction can change.
  fileprivate var isReplaceable: Bool { backend == .nftables && passages.isEmpty }
}
