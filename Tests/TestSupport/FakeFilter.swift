public import CNI
public import NetTypes
public import PacketFilter

/// A packet filter in memory.
public struct FakeFilter: PacketFilter, Equatable {
  public var ruleSets: [RuleSet] = []
  public var hostBackend: Backend?
  public var runsFirewalld = false

  /// - Parameter hostBackend: the backend of the host; `nil`: no packet filter.
  public init(on hostBackend: Backend? = .nftables) { self.hostBackend = hostBackend }

  public func lock() throws(KernelError) {}

  public func firewalldUnavailableReason() -> KernelError? { runsFirewalld ? nil : NoFirewalld().unavailableReason() }

  public mutating func add(_ ruleSet: RuleSet) throws(KernelError) {
    _ = try backend(ruleSet.backend)
    try remove(ruleSet.owner, ruleSet.role, everywhere: false)
    ruleSets.append(ruleSet)
  }

  public mutating func remove(_ owner: AttachmentID, _ role: PluginRole, everywhere: Bool) throws(KernelError) {
    ruleSets.removeAll { $0.owner == owner && $0.role == role }
  }

  public func missing(from ruleSet: RuleSet) throws(KernelError) -> [Rule] {
    let existing = try self.ruleSet(of: ruleSet.owner, ruleSet.role)?.rules ?? []
    return ruleSet.rules.filter { !existing.contains($0) }
  }

  /// A rule for a tunnel's hosts is present if a rule for more hosts is.
  public func has(recorded ruleSet: RuleSet) throws(KernelError) -> Bool {
    guard let existing = try self.ruleSet(of: ruleSet.owner, ruleSet.role) else { return false }
    return ruleSet.rules.allSatisfy { rule in
      guard case .guardTunnel(let wanted) = rule, case .guardTunnel(let found)? = existing.rules.first,
        let hosts = wanted.peers, let all = found.peers
      else { return existing.rules.contains(rule) }
      return wanted.port == found.port && Set(hosts).isSubset(of: all)
    }
  }

  public func ruleSet(of owner: AttachmentID, _ role: PluginRole) throws(KernelError) -> RuleSet? {
    ruleSets.first { $0.owner == owner && $0.role == role }
  }

  public func hasRecords(except owners: Set<AttachmentID>, _ role: PluginRole) throws(KernelError) -> Bool {
    ruleSets.contains { $0.role == role && !owners.contains($0.owner) }
  }

  public func needsRouteLocalnet(_ link: InterfaceName, except owners: Set<AttachmentID>) throws(KernelError) -> Bool {
    ruleSets.contains { !owners.contains($0.owner) && $0.localnetLinks.contains(link) }
  }

  public func ruleSets(_ role: PluginRole) throws(KernelError) -> [RuleSet] { ruleSets.filter { $0.role == role } }

  public func ruleSets(of network: NetworkName) throws(KernelError) -> [RuleSet] {
    ruleSets.filter { $0.owner.network == network }
  }

  public mutating func collectGarbage(
    _ network: NetworkName, _ role: PluginRole, valid: Set<AttachmentID>, everywhere: Bool
  ) throws(KernelError) {
    ruleSets.removeAll { $0.owner.network == network && $0.role == role && !valid.contains($0.owner) }
  }

  public func holders(of ports: [PublishedPort]?) throws(KernelError) -> [PortHolder] {
    ruleSets.flatMap { ruleSet in
      ruleSet.rules.compactMap { rule in
        guard case .publish(let existing) = rule, ports?.contains(where: existing.conflicts) ?? true else { return nil }
        return PortHolder(existing, tag: ruleSet.owner.filterTag)
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
