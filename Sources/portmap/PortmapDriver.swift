import CNI
import Kernel
import NetTypes
import PacketFilter
import PluginKit

/// Publishes ports of the container on the host.
struct PortmapDriver: ChainDriver {
  static var name: String { "portmap" }

  func settings(_ call: Call<PortmapConfig>) throws(CNIError) -> PortmapSettings {
    try PortmapSettings(call.config)
  }

  func plan<K: Kernel & ~Copyable>(
    _ settings: PortmapSettings, owner: AttachmentID, previous: AddResult, on kernel: inout K
  ) throws(CNIError) -> ChainPlan {
    guard !settings.isEmpty else { return ChainPlan([], result: previous) }
    let backend = try convertingErrors { () throws(KernelError) in try kernel.filter.backend(settings.backend) }
    var planner = PortPlanner(settings, owner: owner, previous: previous)
    var floats: [FloatingAddress] = []
    for float in settings.floatingIPs { floats.append(try planner.rule(for: float, on: &kernel)) }
    var ports: [PublishedPort] = []
    for mapping in settings.mappings {
      guard let port = mapping.hostPort else { continue }
      ports += try planner.rules(for: mapping, at: port, on: &kernel)
    }
    // From here on the lock keeps other plugin processes from publishing the ports that are found free.
    try convertingErrors { () throws(KernelError) in try kernel.filter.lock() }
    try PortConflicts(owner: owner, allowsBound: settings.allowsBound).check(&ports, on: &kernel)
    let earlier = try convertingErrors { () throws(KernelError) in try kernel.filter.ruleSet(of: owner, .ports) }
    var claims: [FloatingClaim] = []
    for (request, float) in zip(settings.floatingIPs, floats) {
      claims.append(
        try FloatingClaim(float, for: owner, moves: request.moves, earlier: earlier?.floats ?? [], on: &kernel))
    }
    var result = previous
    for (mapping, port) in try choosePorts(settings, owner, except: ports, planner, on: &kernel) {
      ports += try planner.rules(for: mapping, at: port, on: &kernel)
      result.portMappings.append(
        AllocatedPort(
          mapping.transport, hostIP: mapping.hostIP, hostPort: port, containerPort: mapping.containerPort))
    }
    let floatsToKeep = claims.map { $0.float }
    let goneAddresses = try convertingErrors { () throws(KernelError) in
      try earlier?.floats.removals(except: floatsToKeep, on: &kernel) ?? []
    }
    return ChainPlan(
      routeLocalnetResets(of: earlier) + goneAddresses + changes(ports, claims, owner, backend), result: result)
  }

  /// Chooses a free host port for each mapping without one.
  private func choosePorts<K: Kernel & ~Copyable>(
    _ settings: PortmapSettings, _ owner: AttachmentID, except fixed: [PublishedPort], _ planner: PortPlanner,
    on kernel: inout K
  ) throws(CNIError) -> [(Mapping, UInt16)] {
    let open = settings.mappings.filter { $0.hostPort == nil }
    guard !open.isEmpty else { return [] }
    var chooser = PortChooser(try ranges(settings, on: &kernel), owner: owner, taken: fixed)
    var chosen: [(Mapping, UInt16)] = []
    for mapping in open {
      let families = try planner.families(of: mapping)
      chosen.append((mapping, try chooser.choose(for: mapping, families: families, on: &kernel)))
    }
    return chosen
  }

  private func ranges<K: Kernel & ~Copyable>(
    _ settings: PortmapSettings, on kernel: inout K
  ) throws(CNIError) -> [PortRange] {
    if let range = settings.portRange { return [range] }
    let ephemeral = try convertingErrors { () throws(KernelError) in
      try kernel.sysctl("net/ipv4/ip_local_port_range", on: .host)
    }
    return PortChooser.unprivilegedRanges(outside: ephemeral)
  }

  /// Resets `route_localnet` on the links of an earlier ADD, before its rules are replaced.
  private func routeLocalnetResets(of earlier: RuleSet?) -> [Change] {
    guard let earlier else { return [] }
    return earlier.localnetLinks.map { .disableRouteLocalnet($0, except: [earlier.owner]) }
  }

  private func changes(
    _ ports: [PublishedPort], _ claims: [FloatingClaim], _ owner: AttachmentID, _ backend: Backend
  ) -> [Change] {
    let tracked = Set(
      ports.compactMap { $0.trackedConnections } + claims.map { ConntrackFilter(all: $0.float.external) })
    let rules = ports.map { Rule.publish($0) } + claims.map { .float($0.float) }
    // Rules first: their record lists the addresses that DEL has to remove.
    return claims.flatMap { $0.releases } + [.addRules(RuleSet(owner, .ports, rules, backend: backend))]
      + claims.flatMap { $0.additions } + PortPlanner.loopback(for: ports, of: owner)
      // Last: an entry deleted before the rules exist would be created again without them.
      + (tracked.isEmpty ? [] : [.deleteConntrackEntries(tracked)])
  }
}

extension RuleSet {
  var ports: [PublishedPort] {
    rules.compactMap { if case .publish(let port) = $0 { port } else { nil } }
  }
}

extension PortmapDriver {
  func expectation<K: Kernel & ~Copyable>(
    _ settings: PortmapSettings, owner: AttachmentID, previous: AddResult, on kernel: inout K
  ) throws(CNIError) -> [Change] {
    let recorded = try convertingErrors { () throws(KernelError) in try kernel.filter.ruleSet(of: owner, .ports) }
    // CHECK may come without the port mappings; then the recorded rules are expected.
    guard !settings.isEmpty else { return recorded.map { [.addRules($0)] } ?? [] }
    var planner = PortPlanner(settings, owner: owner, previous: previous)
    var recordedPorts = recorded?.ports ?? []
    var ports: [PublishedPort] = []
    for mapping in settings.mappings {
      guard let port = mapping.hostPort ?? recordedPorts.first(where: mapping.matches)?.hostPort else {
        throw CNIError(
          .differences,
          "no host port is recorded for \(mapping.containerText) of \(owner.interface): want the port that ADD chose")
      }
      var rules = try planner.rules(for: mapping, at: port, on: &kernel)
      for index in rules.indices {
        rules[index].isSpare = recordedPorts.contains { $0.isSpare && $0.conflicts(with: rules[index]) }
      }
      recordedPorts.removeAll { earlier in rules.contains { $0.conflicts(with: earlier) } }
      ports += rules
    }
    var floats: [FloatingAddress] = []
    for float in settings.floatingIPs {
      var rule = try planner.rule(for: float, on: &kernel)
      // An address that the host had before ADD is not ours, so it is not expected on the link.
      rule.device = recorded?.floats.first { $0.external == float.address }?.device
      floats.append(rule)
    }
    let rules = ports.map { Rule.publish($0) } + floats.map { .float($0) }
    return PortPlanner.loopback(for: ports, of: owner)
      + floats.flatMap { $0.additions }
      + [.addRules(RuleSet(owner, .ports, rules, backend: settings.backend))]
  }

  func removal<K: Kernel & ~Copyable>(
    of owner: AttachmentID, _ config: PortmapConfig?, on kernel: inout K
  ) throws(KernelError) -> [Change] {
    // An error that may pass must not count as "no rule set", because the rule set also lists addresses to remove.
    let ruleSet = try kernel.filter.ruleSet(of: owner, .ports)
    let publishesNothing = config?.publishesNothing == true
    let remove = Change.removeRules(owner, .ports, everywhere: !publishesNothing)
    guard let ruleSet else {
      let udpConnections = (config?.mappings ?? []).flatMap { $0.trackedConnections }
      return (publishesNothing ? [] : routeLocalnetResets([], after: [owner], on: &kernel)) + [remove]
        + (udpConnections.isEmpty ? [] : [.deleteConntrackEntries(Set(udpConnections))])
    }
    // Before the rule set: if DEL is killed, the next DEL still finds it.
    return try routeLocalnetResets([ruleSet], after: [owner], on: &kernel) + ruleSet.floats.removals(on: &kernel)
      + [remove] + connectionRemovals([ruleSet])
  }

  /// Sets `route_localnet` back to 0, before the rules are removed.
  ///
  /// When the last published port is removed, the rule that protects the host's loopback addresses from containers is
  /// removed too. So the sysctl is reset on the rule sets' links, and on all our bridges if no other rule sets are left.
  private func routeLocalnetResets<K: Kernel & ~Copyable>(
    _ ruleSets: [RuleSet], after owners: Set<AttachmentID>, on kernel: inout K
  ) -> [Change] {
    var links = ruleSets.flatMap { $0.localnetLinks }
    if (try? kernel.filter.hasRecords(except: owners, .ports)) == false {
      let bridges = (try? kernel.links(kind: "bridge", master: nil, on: .host)) ?? []
      for bridge in bridges where bridge.group == Isolation.linkGroup { links.append(bridge.name) }
    }
    var seen: Set<InterfaceName> = []
    return links.filter { seen.insert($0).inserted }.map { .disableRouteLocalnet($0, except: owners) }
  }

  func garbage<K: Kernel & ~Copyable>(
    of network: NetworkName, _ config: PortmapConfig, valid: Set<AttachmentID>, on kernel: inout K
  ) throws(KernelError) -> [Change] {
    let gone = try kernel.filter.ruleSets(of: network, except: valid).filter { $0.role == .ports }
    return try routeLocalnetResets(gone, after: Set(gone.map { $0.owner }), on: &kernel)
      + gone.flatMap { $0.floats }.removals(on: &kernel) + [
        .removeStaleRules(network, .ports, valid: valid, everywhere: true)
      ]
      + connectionRemovals(gone)
  }

  /// Deletes the conntrack entries of UDP ports and of floating addresses.
  private func connectionRemovals(_ ruleSets: [RuleSet]) -> [Change] {
    let tracked = Set(
      ruleSets.flatMap { $0.ports }.compactMap { $0.trackedConnections }
        + ruleSets.flatMap { $0.floats }.map { ConntrackFilter(all: $0.external) })
    return tracked.isEmpty ? [] : [.deleteConntrackEntries(tracked)]
  }

  func obstacle<K: Kernel & ~Copyable>(
    _ config: PortmapConfig, on kernel: inout K
  ) throws(KernelError) -> String? {
    let requestedBackend: Backend?
    do throws(CNIError) { requestedBackend = try PortmapSettings(config).backend } catch { return error.message }
    return kernel.filter.obstacle(requestedBackend, to: .published)
  }
}

extension Mapping {
  /// Whether ADD may have chosen this port for the mapping.
  fileprivate func matches(_ port: PublishedPort) -> Bool {
    port.transport == transport && port.targetPort == containerPort && port.hostIP == boundAddress
      && (family == nil || family == port.family)
  }

  /// The conntrack entries to delete if no rules are recorded.
  fileprivate var trackedConnections: [ConntrackFilter] {
    guard transport == .udp, let hostPort else { return [] }
    return (family.map { [$0] } ?? IPFamily.allCases).map { ConntrackFilter(.udp, $0, to: boundAddress, hostPort) }
  }
}
