public import CNI
public import NetTypes

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
