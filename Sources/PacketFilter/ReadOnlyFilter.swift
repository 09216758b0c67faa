public import CNI
public import NetTypes

/// A packet filter that is looked at and never changed.
public struct ReadOnlyFilter: PacketFilter {
  private var base: any PacketFilter

  public init(_ base: any PacketFilter) { self.base = base }

  public func lock() {}
  public func unlock() {}
  public func add(_ ruleSet: RuleSet) throws(KernelError) { throw refusal }
  public func set(_ ruleSet: RuleSet) throws(KernelError) { throw refusal }
  public func remove(_ owner: AttachmentID, _ role: PluginRole, everywhere: Bool) throws(KernelError) { throw refusal }

  public func removeReferenceRules(of owner: AttachmentID, _ role: PluginRole, addresses: [IPAddress], zone: String?)
    throws(KernelError)
  {
    throw refusal
  }

  public func collectGarbage(
    _ network: NetworkName, _ role: PluginRole, valid: Set<AttachmentID>, everywhere: Bool
  ) throws(KernelError) { throw refusal }

  private var refusal: KernelError {
    KernelError("change packet filter rules", errno: .EPERM, reason: "CNI_PLAN=1 changes nothing")
  }

  public mutating func commands(adding ruleSet: RuleSet) throws(KernelError) -> [String] {
    try base.commands(adding: ruleSet)
  }
  public mutating func missing(from ruleSet: RuleSet) throws(KernelError) -> [Rule] { try base.missing(from: ruleSet) }
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
