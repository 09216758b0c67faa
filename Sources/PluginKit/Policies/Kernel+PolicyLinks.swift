public import CNI
public import Kernel
public import NetTypes
import PacketFilter

extension Kernel where Self: ~Copyable {
  /// Those of the host's links on which the container's packets arrive, and no other network's that are not of that link.
  ///
  /// By a bridge with VLANs packets of several networks arrive; those of one by the VLAN's own link.
  public mutating func policyLinks(among names: [InterfaceName]) throws(KernelError) -> [LinkInfo] {
    var links: [LinkInfo] = []
    for name in names where !links.contains(where: { $0.name == name }) {
      if let link = try link(name, on: .host), link.port == nil { links.append(link) }
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

  /// Those of the host's links that are the container's bridge ports; none if a plugin checks source addresses already.
  ///
  /// A container with another source address would get around its `egress`, or have another one's labels.
  public mutating func unguardedPorts(
    of owner: AttachmentID, among names: [InterfaceName]
  ) throws(KernelError) -> [InterfaceName] {
    let guards = try filter.ruleSet(of: owner, .guards)?.rules ?? []
    guard !guards.contains(where: { if case .guardAddresses = $0 { true } else { false } }) else { return [] }
    var ports: [InterfaceName] = []
    for name in names where try link(name, on: .host)?.port != nil { ports.append(name) }
    return ports
  }
}

extension AddResult {
  /// The container's addresses without loopback ones, which the loopback plugin adds.
  public var containerIPs: [IP] { ips.filter { !$0.address.address.isLoopback } }

  public var containerAddresses: [IPAddress] { containerIPs.map { $0.address.address } }

  public var hostInterfaces: [InterfaceName] {
    interfaces.filter { $0.isOnHost }.compactMap { InterfaceName($0.name) }
  }
}

extension AddResult.Interface {
  public var isOnHost: Bool { (sandbox ?? "").isEmpty }
}
