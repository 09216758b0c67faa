import CNI
import CNIRuntime
import HostFilter
import Kernel
import NetTypes
import Netlink
import PacketFilter
import PluginKit

/// The attachments on this host with their policies.
struct HostPolicies {
  /// Attachments with a recorded rule set of the role `policies`, or with a policy in their network namespace.
  var limited: [PolicyAttachment] = []
  /// The others with a cached result.
  var others: [PolicyAttachment] = []
  var check: PolicyCheck
  var hostAddresses: Set<IPAddress> = []
  var routes = HostRoute.read()

  var all: [PolicyAttachment] { limited + others }

  /// Changes nothing.
  static func read(_ cache: ResultCache) throws(CNIError) -> HostPolicies {
    let entries = try cache.entries().filter { !$0.isUnfinished }
    var inContainers: [PolicyAttachment] = []
    for entry in entries {
      if let attachment = try ContainerRules(entry)?.attachment(entry) { inContainers.append(attachment) }
    }
    do throws(KernelError) { return try HostPolicies(entries, inContainers) } catch { throw CNIError(error) }
  }

  private init(_ entries: [ResultCache.Entry], _ inContainers: [PolicyAttachment]) throws(KernelError) {
    let filter = HostFilter()
    limited = (try Self.recorded(in: filter) + inContainers).sorted { $0.owner.tag < $1.owner.tag }
    check = PolicyCheck(limited, links: [:])
    for permission in limited.flatMap(\.allPermissions) {
      switch permission.peer {
      case .network(let name): check.links[name] = try filter.notedLinks(of: name)
      case .label(let label): check.farMembers[label] = try filter.farMembers(with: label)
      case .anyone, .prefix: break
      }
    }
    var kernel = try LiveKernel.open(containerNamespace: nil)
    let owners = Set(limited.map(\.owner))
    for entry in entries {
      let owner = entry.attachment.owner, name = entry.containerName
      guard !owners.contains(owner) else {
        if let index = limited.firstIndex(where: { $0.owner == owner }) { limited[index].name = name }
        continue
      }
      let links = try kernel.policyLinks(among: entry.addResult.hostInterfaces).map(\.name)
      others.append(
        PolicyAttachment(owner, name: name, addresses: entry.addResult.containerAddresses, links: links))
    }
    for link in try kernel.links(kind: nil, master: nil, on: .host) {
      hostAddresses.formUnion(try kernel.addresses(of: link.name, on: .host).map(\.address))
    }
  }

  private static func recorded(in filter: HostFilter) throws(KernelError) -> [PolicyAttachment] {
    var recorded: [PolicyAttachment] = []
    for network in try filter.networks() {
      for ruleSet in try filter.ruleSets(of: network)
      where ruleSet.role == .policies && ruleSet.owner != .tunnel(of: network) {
        recorded.append(PolicyAttachment(ruleSet))
      }
    }
    return recorded
  }
}

extension HostPolicies {
  /// The ends of connections that a container, a network or an address stands for.
  ///
  /// - Throws: code 3 for an unknown name, code 7 for a name that stands for several.
  func ends(_ text: String) throws(CNIError) -> [ConnectionEnd] {
    if let address = IPAddress(text) { return ends(address) }
    return try attachments(text).flatMap { attachment in
      attachment.addresses.map { ConnectionEnd($0, of: attachment) }
    }
  }

  private func ends(_ address: IPAddress) -> [ConnectionEnd] {
    let holders = all.filter { $0.addresses.contains(address) }
    guard holders.isEmpty else { return holders.map { ConnectionEnd(address, of: $0) } }
    // The most specific route.
    let route = routes.filter { $0.destination.contains(address) }.max { $0.destination.length < $1.destination.length }
    return [
      ConnectionEnd(
        address, links: route.flatMap { InterfaceName($0.interface) }.map { [$0] } ?? [],
        isHost: hostAddresses.contains(address) || address.isLoopback)
    ]
  }

  /// The attachments of a network, or of a container by its ID, its name, or the start of its ID.
  ///
  /// - Throws: as `ends`.
  func attachments(_ text: String) throws(CNIError) -> [PolicyAttachment] {
    let ofNetwork = all.filter { $0.owner.network.description == text }
    let ofContainer = try attachments(ofContainer: text)
    guard ofNetwork.isEmpty || ofContainer.isEmpty else {
      throw CNIError(
        .invalidNetworkConfig, "\"\(text)\" is a network and a container: want another container's ID or an address")
    }
    let found = ofNetwork + ofContainer
    guard found.isEmpty else { return found }
    let containers = all.map(\.owner.container.description), networks = all.map(\.owner.network.description)
    throw CNIError(
      .unknownContainer, "\"\(text)\": no address, and no container or network with a container on this host",
      details:
        "containers: \(Self.list(containers)); networks: \(Self.list(networks))")
  }

  private func attachments(ofContainer text: String) throws(CNIError) -> [PolicyAttachment] {
    let exact = all.filter { $0.owner.container.description == text }
    if !exact.isEmpty { return exact }
    let named = all.filter { $0.name == text }
    let similar = named.isEmpty && text.count >= 4 ? all.filter { "\($0.owner.container)".hasPrefix(text) } : named
    let containers = Set(similar.map(\.owner.container))
    guard containers.count <= 1 else {
      throw CNIError(
        .invalidNetworkConfig, "\"\(text)\" stands for several containers",
        details: "want the ID of one: \(Self.list(containers.map(\.description)))")
    }
    return similar
  }

  private static func list(_ names: [String]) -> String {
    names.isEmpty ? "none" : Set(names).sorted().joined(separator: ", ")
  }
}

extension PolicyAttachment {
  fileprivate var allPermissions: [Policy.Permission] {
    Policy.Direction.allCases.flatMap { permissions($0) ?? [] }
  }
}

extension ResultCache.Entry {
  fileprivate var containerName: String? {
    attachment.arguments.first { $0.key == "K8S_POD_NAME" }?.value
  }
}
