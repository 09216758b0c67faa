import CNI
import Kernel
import NetTypes
import PacketFilter
import PluginKit

/// The key `policy`.
extension FirewallDriver {
  /// - Throws: code 7 if the main plugin has added a policy.
  func checkOnlyPolicy<K: Kernel & ~Copyable>(
    _ settings: FirewallSettings, _ owner: AttachmentID, on kernel: inout K
  ) throws(CNIError) {
    guard settings.policy != nil,
      try convertingErrors({ () throws(KernelError) in try kernel.filter.ruleSet(of: owner, .policies) }) != nil
    else { return }
    throw CNIError(
      .invalidNetworkConfig,
      "key \"policy\": a plugin before this one has the key, or an earlier ADD had no DEL: want the key in one plugin")
  }

  func policyChanges<K: Kernel & ~Copyable>(
    _ settings: FirewallSettings, _ owner: AttachmentID, _ previous: AddResult, on kernel: inout K
  ) throws(CNIError) -> [Change] {
    guard let policy = settings.policy else { return [] }
    try checkOneHost(owner, on: &kernel)
    let (links, ports) = try convertingErrors { () throws(KernelError) in
      (try networkLinks(of: previous, on: &kernel), try unguardedPorts(of: previous, owner, on: &kernel))
    }
    guard !links.isEmpty, !previous.containerAddresses.isEmpty else {
      throw CNIError(
        .invalidNetworkConfig,
        "key \"policy\": want addresses, and among the host's interfaces of prevResult a bridge without VLANs, the link of a VLAN, or a veth"
      )
    }
    return policy.changes(
      owner, previous.containerAddresses, on: links.map { $0.name }, owned: links.allSatisfy { $0.kind == "veth" },
      settings.labels, guarding: ports)
  }

  /// Packets of other networks arrive by a network's own tunnel too, so their link does not tell where they are from.
  ///
  /// - Throws: code 7 if the network has containers on other hosts.
  private func checkOneHost<K: Kernel & ~Copyable>(_ owner: AttachmentID, on kernel: inout K) throws(CNIError) {
    let tag = AttachmentID.tagPrefix(owner.network)
    let tunnels = try convertingErrors { () throws(KernelError) in
      try kernel.links(kind: "vxlan", master: nil, on: .host).filter { $0.alias == tag }
    }
    guard let tunnel = tunnels.first else { return }
    throw CNIError(
      .invalidNetworkConfig,
      "key \"policy\": containers of other hosts arrive by \(tunnel.name), which does not tell their network: want a network of one host"
    )
  }

  /// The host's links on which the container's packets arrive, and no other network's that are not of that link.
  ///
  /// By a bridge with VLANs packets of several networks arrive; those of one by the VLAN's own link.
  private func networkLinks<K: Kernel & ~Copyable>(
    of result: AddResult, on kernel: inout K
  ) throws(KernelError) -> [LinkInfo] {
    var links: [LinkInfo] = []
    for name in result.hostInterfaces where !links.contains(where: { $0.name == name }) {
      if let link = try kernel.link(name, on: .host), link.port == nil { links.append(link) }
    }
    let bridges = Set(links.filter { $0.kind == "bridge" }.map { $0.index })
    return links.filter { link in
      switch link.kind {
      case "bridge": link.filtersVLANs != true
      case "vlan": link.parentIndex.map { bridges.contains($0) } ?? false
      case "veth": true
      default: false
      }
    }
  }

  /// The container's bridge ports, unless the main plugin checks source addresses already.
  ///
  /// A container with another source address would get around its `egress`, or have another one's labels.
  private func unguardedPorts<K: Kernel & ~Copyable>(
    of result: AddResult, _ owner: AttachmentID, on kernel: inout K
  ) throws(KernelError) -> [InterfaceName] {
    let guards = try kernel.filter.ruleSet(of: owner, .guards)?.rules ?? []
    guard !guards.contains(where: { if case .guardAddresses = $0 { true } else { false } }) else { return [] }
    var ports: [InterfaceName] = []
    for name in result.hostInterfaces where try kernel.link(name, on: .host)?.port != nil { ports.append(name) }
    return ports
  }

  /// Takes the container's bridge ports down, because the main plugin removes them only after the policy is gone.
  ///
  /// Without `previous` the ports are those that the policy checks, or the main plugin's own.
  func disconnecting<K: Kernel & ~Copyable>(
    _ owner: AttachmentID, _ previous: AddResult?, on kernel: inout K
  ) throws(KernelError) -> [Change] {
    guard let policy = try kernel.filter.ruleSet(of: owner, .policies) else { return [] }
    let checked = policy.rules.compactMap { if case .guardAddresses(let guarded) = $0 { guarded.port } else { nil } }
    var ports: [InterfaceName] = []
    for name in (previous?.hostInterfaces ?? []) + checked + [owner.hostInterface] where !ports.contains(name) {
      if let link = try kernel.link(name, on: .host), link.port != nil || name == owner.hostInterface {
        ports.append(name)
      }
    }
    return ports.map { .changeLink($0, on: .host, LinkChange(isUp: false)) }
  }
}
