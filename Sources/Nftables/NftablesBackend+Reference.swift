public import CNI
public import NetTypes
public import PacketFilter

extension NftablesBackend {
  private static let removalTries = 10

  public mutating func removeReference(_ rules: ReferenceRules) throws(KernelError) -> [IPAddress] {
    for _ in 0..<Self.removalTries {
      guard let found = try search(rules) else { return rules.addresses }
      if found.isEmpty { return found.addresses.sorted() }
      do throws(KernelError) {
        try RulesetSocket.open().change(found.changes, doing: "remove rules of the reference plugins")
        return found.addresses.sorted()
      } catch {
        let isMoved = error.errno.isOne(of: .ENOENT, .EAGAIN, .EBUSY)
        guard isMoved || Complaint.isUnanswered(error) else { throw error }
      }
    }
    throw KernelError(
      "remove rules of the reference plugins", errno: .EAGAIN, reason: "the ruleset keeps changing")
  }

  /// `nil` if the kernel has no nf_tables.
  private func search(_ wanted: ReferenceRules) throws(KernelError) -> ReferenceSearch? {
    do throws(KernelError) { return try ReferenceSearch(wanted, in: try RulesetSocket.open()) } catch {
      guard error.errno.isOne(of: .EINVAL, .EOPNOTSUPP, .EPROTONOSUPPORT) else {
        throw error
      }
      return nil
    }
  }

  public mutating func isMadeByReference(_ rule: Rule, for owner: Owner) throws(KernelError) -> Bool {
    guard try search(ReferenceRules(.one(owner), [])) != nil else { return false }
    let socket = try RulesetSocket.open()
    var wanted = ReferenceRules(.one(owner), [])
    switch rule {
    case .masquerade(let masquerade):
      return try ReferenceSearch(wanted, in: socket).addresses.contains(masquerade.address)
    case .publish(let port):
      wanted.parts = [.ports]
      wanted.addresses = [port.target]
      let found = try ReferenceSearch(wanted, in: socket)
      var candidates = found.rules
      for chain in found.chains { candidates += try socket.rules(of: chain) }
      return candidates.contains { $0.port == port.hostPort && $0.leads(to: port.target, port.targetPort) }
    case .admit(let admission):
      wanted.parts = [.firewall]
      wanted.addresses = [admission.address]
      let found = try ReferenceSearch(wanted, in: socket).rules
      return found.contains { $0.source == admission.address } && found.contains { $0.destination == admission.address }
    case .guardSource:
      wanted.parts = [.network]
      return try ReferenceSearch(wanted, in: socket).chains.contains { $0.table.family == 7 }
    case .isolate(let isolation) where isolation.reach == .outside:
      return try socket.has(ForeignChain(table: .ip(.v4, "filter"), name: ReferenceNames.isolationChain))
    case .isolate, .link, .float, .serve, .guardAddresses, .guardTunnel, .pass, .trust: return false
    }
  }
}
