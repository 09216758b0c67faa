public import CNI
public import NetTypes

/// A packet filter that a dry run only looks at.
public struct GuardedFilter<Base: PacketFilter>: PacketFilter {
  private var base: Base
  /// Whether every change is refused.
  public var isReadOnly = false

  public init(_ base: Base) { self.base = base }

  private func checkWritable() throws(KernelError) {
    guard isReadOnly else { return }
    throw KernelError("change packet filter rules", errno: .EPERM, reason: "CNI_PLAN=1 changes nothing")
  }

  public mutating func lock() throws(KernelError) { if !isReadOnly { try base.lock() } }
  public mutating func unlock() { base.unlock() }

  public mutating func add(_ ruleSet: RuleSet) throws(KernelError) {
    try checkWritable()
    try base.add(ruleSet)
  }

  public mutating func set(_ ruleSet: RuleSet) throws(KernelError) {
    try checkWritable()
    try base.set(ruleSet)
  }

  public mutating func set(_ ruleSet: RuleSet, after old: RuleSet) throws(KernelError) {
    try checkWritable()
    try base.set(ruleSet, after: old)
  }

  public mutating func remove(_ owner: AttachmentID, _ role: PluginRole, everywhere: Bool) throws(KernelError) {
    try checkWritable()
    try base.remove(owner, role, everywhere: everywhere)
  }

  public mutating func removeReferenceRules(
    of owner: AttachmentID, _ role: PluginRole, addresses: [IPAddress], zone: String?
  ) throws(KernelError) {
    try checkWritable()
    try base.removeReferenceRules(of: owner, role, addresses: addresses, zone: zone)
  }

  public func unknownNetworks(of ruleSet: RuleSet) throws(KernelError) -> [NetworkName] {
    try base.unknownNetworks(of: ruleSet)
  }

  public func needsVirtualAddress(
    _ address: IPAddress, on link: InterfaceName, except owners: Set<AttachmentID>
  ) throws(KernelError) -> Bool {
    try base.needsVirtualAddress(address, on: link, except: owners)
  }

  public func wantsLinks(of network: NetworkName) throws(KernelError) -> Bool {
    isReadOnly ? false : try base.wantsLinks(of: network)
  }

  public func cachedInterfaces(of network: NetworkName) throws(KernelError) -> Set<InterfaceName> {
    try base.cachedInterfaces(of: network)
  }

  public mutating func note(_ links: [InterfaceName], of network: NetworkName) throws(KernelError) {
    if !isReadOnly { try base.note(links, of: network) }
  }

  public mutating func note(_ network: FarNetwork, of name: NetworkName) throws(KernelError) {
    if !isReadOnly { try base.note(network, of: name) }
  }

  public mutating func collectGarbage(
    _ network: NetworkName, _ role: PluginRole, valid: Set<AttachmentID>, everywhere: Bool
  ) throws(KernelError) {
    try checkWritable()
    try base.collectGarbage(network, role, valid: valid, everywhere: everywhere)
  }

  public mutating func commands(adding ruleSet: RuleSet) throws(KernelError) -> [String] {
    try base.commands(adding: ruleSet)
  }
  public mutating func missing(from ruleSet: RuleSet) throws(KernelError) -> [Rule] { try base.missing(from: ruleSet) }
  public mutating func has(recorded ruleSet: RuleSet) throws(KernelError) -> Bool { try base.has(recorded: ruleSet) }
  public mutating func drops(for ruleSet: RuleSet) throws(KernelError) -> [String] { try base.drops(for: ruleSet) }
  public mutating func drop(ofEvery kind: Passage.Kind) throws(KernelError) -> String? { try base.drop(ofEvery: kind) }

  public mutating func ruleSet(of owner: AttachmentID, _ role: PluginRole) throws(KernelError) -> RuleSet? {
    try base.ruleSet(of: owner, role)
  }

  public mutating func hasRecords(except owners: Set<AttachmentID>, _ role: PluginRole) throws(KernelError) -> Bool {
    try base.hasRecords(except: owners, role)
  }

  public mutating func needsRouteLocalnet(_ link: InterfaceName, except owners: Set<AttachmentID>) throws(KernelError)
    -> Bool
  {
    try base.needsRouteLocalnet(link, except: owners)
  }

  public mutating func ruleSets(_ role: PluginRole) throws(KernelError) -> [RuleSet] { try base.ruleSets(role) }

  public mutating func ruleSets(of network: NetworkName) throws(KernelError) -> [RuleSet] {
    try base.ruleSets(of: network)
  }

  public mutating func ruleSets(of network: NetworkName, except kept: Set<AttachmentID>) throws(KernelError)
    -> [RuleSet]
  {
    try base.ruleSets(of: network, except: kept)
  }

  public mutating func holders(of ports: [PublishedPort]?) throws(KernelError) -> [PortHolder] {
    try base.holders(of: ports)
  }

  public mutating func backend(_ wanted: Backend?) throws(KernelError) -> Backend { try base.backend(wanted) }
  public func firewalldUnavailableReason() -> KernelError? { base.firewalldUnavailableReason() }
}
