import CNI
public import NetTypes
public import PacketFilter

extension Kernel where Self: ~Copyable {
  /// As `noteNetworks`; if that fails, removes the rule set.
  public mutating func findNetworks(namedBy ruleSet: RuleSet) throws(KernelError) {
    do throws(KernelError) { try noteNetworks(namedBy: ruleSet) } catch {
      try? filter.remove(ruleSet.owner, ruleSet.role, everywhere: false)  // report the first error
      throw error
    }
  }

  /// Notes the links of networks that the rule set's policies are the first to name: the bridges of their containers.
  ///
  /// Later attachments of those networks note theirs themselves, if one of our plugins is in their list. By a bridge with VLANs
  /// packets of several networks arrive, so only a VLAN's own link counts.
  public mutating func noteNetworks(namedBy ruleSet: RuleSet) throws(KernelError) {
    let unknown = try filter.unknownNetworks(of: ruleSet)
    guard !unknown.isEmpty else { return }
    let links = try links(kind: nil, master: nil, on: .host)
    for network in unknown {
      let prefix = AttachmentID.tagPrefix(network)
      let cached = try filter.cachedInterfaces(of: network)
      let masters = Set(links.filter { $0.alias?.hasPrefix(prefix) == true }.compactMap { $0.master })
      let shared = links.filter {
        ($0.alias == prefix || masters.contains($0.index) || $0.kind == "bridge" && cached.contains($0.name))
          && $0.filtersVLANs != true
      }
      try filter.note(shared.map { $0.name }, of: network)
    }
  }
}
