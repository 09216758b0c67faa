import CNI
import Kernel
import NetTypes
import PacketFilter
import PluginKit

extension PortmapDriver {
  func expectation<K: Kernel & ~Copyable>(
    _ settings: PortmapSettings, owner: Owner, previous: AddResult, on kernel: inout K
  ) throws(CNIError) -> [Change] {
    let remembered = try translating { () throws(KernelError) in try kernel.filter.claim(of: owner, .ports) }
    // CHECK may come without the port mappings; then the recorded rules are expected.
    guard !settings.isEmpty else { return remembered.map { [.addRules($0)] } ?? [] }
    var planner = PortPlanner(settings, owner: owner, previous: previous)
    var known = remembered?.ports ?? []
    var ports: [PublishedPort] = []
    for mapping in settings.mappings {
      guard let port = mapping.hostPort ?? known.first(where: mapping.isMet)?.hostPort else {
        throw CNIError(
          .differences, "no host port is known for \(mapping.containerText) of \(owner.interface): want what ADD chose")
      }
      var rules = try planner.rules(for: mapping, at: port, on: &kernel)
      for index in rules.indices {
        rules[index].isSpare = known.contains { $0.isSpare && $0.conflicts(with: rules[index]) }
      }
      known.removeAll { there in rules.contains { $0.conflicts(with: there) } }
      ports += rules
    }
    var floats: [FloatingAddress] = []
    for float in settings.floatingIPs {
      var rule = try planner.rule(for: float, on: &kernel)
      // An address that the host had before ADD is not ours, so it is not expected on the link.
      rule.device = remembered?.floats.first { $0.external == float.address }?.device
      floats.append(rule)
    }
    let rules = ports.map { Rule.publish($0) } + floats.map { .float($0) }
    return PortPlanner.loopback(for: ports, of: owner)
      + floats.compactMap { $0.addressSpec.map { .addAddress($0) } }
      + [.addRules(Claim(owner, .ports, rules, backend: settings.backend))]
  }

  func removal<K: Kernel & ~Copyable>(
    of owner: Owner, _ config: PortmapConfig?, on kernel: inout K
  ) throws(KernelError) -> [Change] {
    // An error that may pass must not count as "no claim", because the claim also lists addresses to remove.
    let claim = try kernel.filter.claim(of: owner, .ports)
    let publishesNothing = config?.publishesNothing == true
    let remove = Change.removeRules(owner, .ports, everywhere: !publishesNothing)
    guard let claim else {
      let told = (config?.mappings ?? []).flatMap(\.trackedConnections)
      return (publishesNothing ? [] : closing([], after: [owner], on: &kernel)) + [remove]
        + (told.isEmpty ? [] : [.forgetConnections(Set(told))])
    }
    // `closing` comes first: if DEL is killed after it, the next DEL still finds the claim.
    return closing([claim], after: [owner], on: &kernel) + [remove] + leftovers(of: [claim], on: &kernel)
  }

  /// Sets `route_localnet` back to 0, before the rules are removed.
  ///
  /// When the last published port is removed, the rule that protects the host's loopback addresses from containers is
  /// removed too. So the sysctl is reset on the claims' links, and on all our bridges if no other claims are left.
  private func closing<K: Kernel & ~Copyable>(
    _ claims: [Claim], after owners: Set<Owner>, on kernel: inout K
  ) -> [Change] {
    var links = claims.flatMap(\.localnetLinks)
    if (try? kernel.filter.remembersOthers(than: owners, .ports)) == false {
      let bridges = (try? kernel.links(kind: "bridge", master: nil, on: .host)) ?? []
      for bridge in bridges where bridge.group == Isolation.linkGroup { links.append(bridge.name) }
    }
    var seen: Set<InterfaceName> = []
    return links.filter { seen.insert($0).inserted }.map { .disableRouteLocalnet($0, besides: owners) }
  }

  func garbage<K: Kernel & ~Copyable>(
    of network: NetworkName, _ config: PortmapConfig, valid: Set<Owner>, on kernel: inout K
  ) throws(KernelError) -> [Change] {
    let gone = try kernel.filter.claims(of: network, besides: valid).filter { $0.part == .ports }
    return closing(gone, after: Set(gone.map(\.owner)), on: &kernel)
      + [.removeOtherRules(network, .ports, valid: valid, everywhere: true)] + leftovers(of: gone, on: &kernel)
  }

  /// What to remove together with the rules: addresses given to links, and conntrack entries of UDP ports.
  private func leftovers<K: Kernel & ~Copyable>(of claims: [Claim], on kernel: inout K) -> [Change] {
    var changes: [Change] = []
    for spec in claims.flatMap(\.floats).compactMap(\.addressSpec) {
      // The kernel removes a link's addresses with the link.
      guard let there = try? kernel.addresses(of: spec.interface, on: .host), there.contains(spec.prefix) else {
        continue
      }
      changes.append(.deleteAddress(spec))
    }
    let tracked = Set(claims.flatMap(\.ports).compactMap(\.trackedConnections))
    return changes + (tracked.isEmpty ? [] : [.forgetConnections(tracked)])
  }

  func obstacle<K: Kernel & ~Copyable>(
    _ config: PortmapConfig, on kernel: inout K
  ) throws(KernelError) -> String? {
    let wanted: Backend?
    do throws(CNIError) { wanted = try PortmapSettings(config).backend } catch { return error.message }
    return kernel.filter.obstacle(wanted, to: .published)
  }
}

extension Mapping {
  /// Whether ADD may have chosen this port for the mapping.
  fileprivate func isMet(by port: PublishedPort) -> Bool {
    port.transport == transport && port.targetPort == containerPort && port.hostIP == boundAddress
      && (family == nil || family == port.family)
  }

  /// The conntrack entries to delete if no rules are recorded.
  fileprivate var trackedConnections: [TrackedConnections] {
    guard transport == .udp, let hostPort else { return [] }
    return (family.map { [$0] } ?? IPFamily.allCases).map { TrackedConnections(.udp, $0, to: boundAddress, hostPort) }
  }
}
