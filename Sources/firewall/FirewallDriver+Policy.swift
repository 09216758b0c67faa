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

  /// Those that containers share: a veth is one container's.
  func networkLinks<K: Kernel & ~Copyable>(
    of previous: AddResult, on kernel: inout K
  ) throws(KernelError) -> [InterfaceName] {
    try kernel.policyLinks(among: previous.hostInterfaces).filter { $0.kind != "veth" }.map { $0.name }
  }

  func policyChanges<K: Kernel & ~Copyable>(
    _ settings: FirewallSettings, _ owner: AttachmentID, _ previous: AddResult, on kernel: inout K
  ) throws(CNIError) -> [Change] {
    guard let policy = settings.policy else { return [] }
    try checkOneHost(owner, on: &kernel)
    let (links, ports) = try convertingErrors { () throws(KernelError) in
      (
        try kernel.policyLinks(among: previous.hostInterfaces),
        try kernel.unguardedPorts(of: owner, among: previous.hostInterfaces)
      )
    }
    guard !previous.hostInterfaces.isEmpty else {
      throw CNIError(
        .invalidNetworkConfig,
        "key \"policy\": prevResult has no interface on the host, so the container's packets do not pass it: want the key in macvlan or ipvlan, if the container's link is one"
      )
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
      "key \"policy\": packets of several networks of other hosts arrive by \(tunnel.name): want the key in overlay-vxlan"
    )
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
