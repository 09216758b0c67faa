public import CNI
public import NetTypes
public import PacketFilter

/// A packet filter in memory.
public struct FakeFilter: PacketFilter, Equatable {
  public var claims: [Claim] = []
  public var hostBackend: Backend?
  public var runsFirewalld = false

  /// - Parameter hostBackend: the backend of the host; `nil`: no packet filter.
  public init(on hostBackend: Backend? = .nftables) { self.hostBackend = hostBackend }

  public func lock() {}

  public func zonesAbsence() -> KernelError? { runsFirewalld ? nil : NoZones().absence() }

  public mutating func add(_ claim: Claim) throws(KernelError) {
    _ = try backend(claim.backend)
    remove(claim.owner, claim.part, everywhere: false)
    claims.append(claim)
  }

  public mutating func remove(_ owner: Owner, _ part: Part, everywhere: Bool) {
    claims.removeAll { $0.owner == owner && $0.part == part }
  }

  public func missing(from claim: Claim) -> [Rule] {
    let there = self.claim(of: claim.owner, claim.part)?.rules ?? []
    return claim.rules.filter { !there.contains($0) }
  }

  public func claim(of owner: Owner, _ part: Part) -> Claim? {
    claims.first { $0.owner == owner && $0.part == part }
  }

  public func remembersOthers(than owners: Set<Owner>, _ part: Part) -> Bool {
    claims.contains { $0.part == part && !owners.contains($0.owner) }
  }

  public func needsRouteLocalnet(_ link: InterfaceName, besides owners: Set<Owner>) -> Bool {
    claims.contains { !owners.contains($0.owner) && $0.localnetLinks.contains(link) }
  }

  public func claims(of network: NetworkName) -> [Claim] { claims.filter { $0.owner.network == network } }

  public mutating func collectGarbage(_ network: NetworkName, _ part: Part, valid: Set<Owner>, everywhere: Bool) {
    claims.removeAll { $0.owner.network == network && $0.part == part && !valid.contains($0.owner) }
  }

  public func holders(of ports: [PublishedPort]?) -> [PortHolder] {
    claims.flatMap { claim in
      claim.rules.compactMap { rule in
        guard case .publish(let there) = rule, ports?.contains(where: there.conflicts) ?? true else { return nil }
        return PortHolder(there, tag: claim.owner.filterTag)
      }
    }
  }

  public func backend(_ wanted: Backend?) throws(KernelError) -> Backend {
    guard hostBackend != nil, let backend = wanted ?? hostBackend else {
      throw KernelError("choose a packet filter", errno: .EOPNOTSUPP, reason: "this host has none")
    }
    return backend
  }
}
