import CNI
import Kernel
import NetTypes
import PacketFilter
import PluginKit

/// Turns mappings into rules: one for each family that both the mapping and the container have.
struct PortPlanner {
  var settings: PortmapSettings
  var owner: AttachmentID
  var addresses: ContainerAddresses

  init(_ settings: PortmapSettings, owner: AttachmentID, previous: AddResult) {
    self.settings = settings
    self.owner = owner
    addresses = ContainerAddresses(of: owner.interface, in: previous)
  }

  /// - Throws: code 7 if the container has no address for a mapping, or the host has no route to it.
  mutating func rules<K: Kernel & ~Copyable>(
    for mapping: Mapping, at hostPort: UInt16, on kernel: inout K
  ) throws(CNIError) -> [PublishedPort] {
    var rules: [PublishedPort] = []
    for family in try families(of: mapping) {
      let prefix = try addresses.prefix(family, for: mapping.text, configKey: mapping.configKey)
      var port = PublishedPort(
        mapping.transport, hostIP: mapping.boundAddress, hostPort: hostPort, to: prefix.address, mapping.containerPort)
      if settings.masquerades {
        port.masquerade = ReturnPath(
          subnet: prefix.network, link: try addresses.link(to: prefix, on: &kernel),
          everything: settings.masqueradesAll,
          marking: settings.marking)
      }
      port.conditions = settings.conditions[family] ?? []
      port.excludedDevices = settings.excludedDevices
      port.chain = settings.chain
      rules.append(port)
    }
    return rules
  }

  /// The families for which a mapping is published.
  ///
  /// - Throws: code 7 if the container has none of them.
  func families(of mapping: Mapping) throws(CNIError) -> [IPFamily] {
    if let family = mapping.family {
      _ = try addresses.prefix(family, for: mapping.text, configKey: mapping.configKey)
      return [family]
    }
    if addresses.families.isEmpty { _ = try addresses.prefix(.v4, for: mapping.text, configKey: mapping.configKey) }
    return addresses.families
  }

  /// - Throws: code 7 if the container has no address of that family, or the host has no route to it.
  mutating func rule<K: Kernel & ~Copyable>(
    for float: RequestedFloat, on kernel: inout K
  ) throws(CNIError) -> FloatingAddress {
    let prefix = try addresses.prefix(
      float.address.family, for: "floating address \(float.address)", configKey: float.configKey)
    let link = try addresses.link(to: prefix, on: &kernel)
    return FloatingAddress(
      float.address, to: prefix.address, link: link, subnet: prefix.network, device: float.device)
  }

  /// The host settings after which connections to its own loopback addresses reach the container.
  ///
  /// They go after the rules, because one rule drops packets to 127.0.0.0/8 from other links.
  static func loopback(for ports: [PublishedPort], of owner: AttachmentID) -> [Change] {
    let links = ports.reduce(into: [InterfaceName]()) { links, port in
      guard port.family == .v6, let link = port.masquerade?.link, !links.contains(link) else { return }
      links.append(link)
    }
    let ruleSet = RuleSet(owner, .ports, ports.map { .publish($0) })
    return ruleSet.localnetLinks.map { .enableRouteLocalnet($0, for: owner) } + links.map { .addLoopbackRoute($0) }
  }
}

extension Mapping {
  /// The wanted mapping, as text for an error message.
  var text: String {
    let outside = hostPort.map { "host port \($0)" } ?? "a host port"
    return "\(outside) for \(containerText)" + (hostIP.map { ", host address \($0)" } ?? "")
  }
}

extension PublishedPort {
  /// The conntrack entries to delete: UDP has no end of a connection, so an old entry could bypass the new rule.
  var trackedConnections: ConntrackFilter? {
    transport == .udp ? ConntrackFilter(.udp, family, to: hostIP, hostPort) : nil
  }
}
