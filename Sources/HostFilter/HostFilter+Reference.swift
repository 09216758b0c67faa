public import CNI
public import NetTypes
public import PacketFilter

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
