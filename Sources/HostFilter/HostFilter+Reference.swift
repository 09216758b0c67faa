public import CNI
public import Kernel
public import NetTypes
public import PacketFilter

/// What the reference plugins made before they were replaced by ours.
extension HostFilter {
  public mutating func removeReference(
    of owner: Owner, _ part: Part, addresses: [IPAddress]
  ) throws(KernelError) {
    guard !memory.remembers(owner, part) else { return }
    try removeReference(ReferenceRules(.one(owner), [part], addresses: addresses))
  }

  /// nf_tables first: what is masqueraded there tells the addresses of what the legacy tables admit.
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
    for rule in rules {
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
