public import CNI
public import NetTypes

/// The packet filter of plugins that need none: it has no rules and can add none.
public struct NoPacketFilter: PacketFilter {
  public init() {}

  public func lock() {}
  public func add(_ ruleSet: RuleSet) throws(KernelError) { _ = try backend(ruleSet.backend) }
  public func remove(_ owner: AttachmentID, _ role: PluginRole, everywhere: Bool) {}
  public func missing(from ruleSet: RuleSet) -> [Rule] { ruleSet.rules }
  public func has(recorded ruleSet: RuleSet) -> Bool { false }
  public func ruleSet(of owner: AttachmentID, _ role: PluginRole) -> RuleSet? { nil }
  public func hasRecords(except owners: Set<AttachmentID>, _ role: PluginRole) -> Bool { false }
  public func ruleSets(_ role: PluginRole) -> [RuleSet] { [] }
  public func ruleSets(of network: NetworkName) -> [RuleSet] { [] }
  public func collectGarbage(_ network: NetworkName, _ role: PluginRole, valid: Set<AttachmentID>, everywhere: Bool) {}
  public func holders(of ports: [PublishedPort]?) -> [PortHolder] { [] }

  public func backend(_ requested: Backend?) throws(KernelError) -> Backend {
    throw KernelError("choose a packet filter", errno: .EOPNOTSUPP, reason: "this plugin uses none")
  }
}

/// A published port and the tag of the rules it belongs to.
public struct PortHolder: Equatable, Sendable {
  public var port: PublishedPort
  /// An owner's `filterTag`.
  public var tag: String
  /// Whether the port leads to a service; the owner is one of its back-ends.
  public var isService: Bool

  public init(_ port: PublishedPort, tag: String, isService: Bool = false) {
    self.port = port
    self.tag = tag
    self.isService = isService
  }
}
