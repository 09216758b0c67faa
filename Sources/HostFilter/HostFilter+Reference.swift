public import CNI
public import NetTypes
public import PacketFilter

/// What the reference plugins made before they were replaced by ours.
extension HostFilter {
  public mutating func removeReference(
    of owner: Owner, _ part: Part, addresses: [IPAddress], zone: String?
  ) throws(KernelError) {
    guard !memory.remembers(owner, part) else { return }
    if let zone { try releaseReference(addresses.map { ZoneSource($0, in: zone) }) }
    try removeReference(ReferenceRules(.one(owner), [part], addresses: addresses))
  }

  /// nf_tables first: its masquerade rules name the addresses that the legacy tables admit.
  mutating func removeReference(_ rules: ReferenceRules) throws(KernelError) {
    // No reference plugin does what the parts `names` and `tunnels` do.
    guard ![[.names], [.tunnels]].contains(rules.parts) else { return }
    var rules = rules
    for backend in [Backend.nftables, .iptables] {
      rules.addresses = try use(backend) { (backend) throws(KernelError) in try backend.removeReference(rules) }
    }
  }

  mutating func notMadeByReference(_ rules: [Rule], of owner: Owner) throws(KernelError) -> [Rule] {
    var missing: [Rule] = []
    // The reference makes no passages: its firewall plugin admits each address by itself.
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
