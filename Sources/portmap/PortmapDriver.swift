import CNI
import Kernel
import NetTypes
import PacketFilter
import PluginKit

/// Ports of the host that lead to the container's.
struct PortmapDriver: ChainDriver {
  static var name: String { "portmap" }

  func settings(_ call: Call<PortmapConfig>) throws(CNIError) -> PortmapSettings {
    try PortmapSettings(call.config)
  }

  func plan<K: Kernel & ~Copyable>(
    _ settings: PortmapSettings, owner: Owner, previous: AddResult, on kernel: inout K
  ) throws(CNIError) -> ChainPlan {
    guard !settings.isEmpty else { return ChainPlan([], result: previous) }
    let backend = try translating { () throws(KernelError) in try kernel.filter.backend(settings.backend) }
    var planner = PortPlanner(settings, owner: owner, previous: previous)
    var floats: [FloatingAddress] = []
    for float in settings.floatingIPs { floats.append(try planner.rule(for: float, on: &kernel)) }
    var ports: [PublishedPort] = []
    for mapping in settings.mappings {
      guard let port = mapping.hostPort else { continue }
      ports += try planner.rules(for: mapping, at: port, on: &kernel)
    }
    // From here on nobody else may publish what is found to be free.
    try translating { () throws(KernelError) in try kernel.filter.lock() }
    try PortConflicts(owner: owner, allowsBound: settings.allowsBound).check(&ports, on: &kernel)
    for index in floats.indices { try settle(&floats[index], owner, on: &kernel) }
    var result = previous
    for (mapping, port) in try choosePorts(settings, owner, besides: ports, planner, on: &kernel) {
      ports += try planner.rules(for: mapping, at: port, on: &kernel)
      result.portMappings.append(
        AllocatedPort(
          mapping.transport, hostIP: mapping.hostIP, hostPort: port, containerPort: mapping.containerPort))
    }
    let earlier = try translating { () throws(KernelError) in try kernel.filter.claim(of: owner, .ports) }
    return ChainPlan(
      closingLinks(of: earlier) + changes(ports, floats, owner, backend), result: result)
  }

  /// A free host port for each mapping that names none.
  private func choosePorts<K: Kernel & ~Copyable>(
    _ settings: PortmapSettings, _ owner: Owner, besides fixed: [PublishedPort], _ planner: PortPlanner,
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
    let ephemeral = try translating { () throws(KernelError) in
      try kernel.sysctl("net/ipv4/ip_local_port_range", on: .host)
    }
    return PortChooser.unused(beside: ephemeral)
  }

  /// Leaves an address that the host has already where it is, unless it is another container's.
  private func settle<K: Kernel & ~Copyable>(
    _ float: inout FloatingAddress, _ owner: Owner, on kernel: inout K
  ) throws(CNIError) {
    let claims = try translating { () throws(KernelError) in try kernel.filter.claims(of: owner.network) }
    let external = float.external
    let holder = claims.first { $0.owner != owner && $0.floats.contains { $0.external == external } }
    if let holder {
      throw CNIError(
        .portInUse,
        "map floating address \(external): mapped already for \(Owner.words(ofFilterTag: holder.owner.filterTag)): "
          + "want another address")
    }
    guard let device = float.device else { return }
    let there = try translating { () throws(KernelError) in
      try kernel.link(device, on: .host) == nil ? nil : kernel.addresses(of: device, on: .host)
    }
    guard let there else {
      throw CNIError(
        .invalidNetworkConfig, "give floating address \(external) to \(device): no such link: want one of the host's")
    }
    if there.contains(where: { $0.address == external }) { float.device = nil }
  }

  /// Rules of an earlier ADD are removed before the new ones are added.
  private func closingLinks(of earlier: Claim?) -> [Change] {
    guard let earlier else { return [] }
    return earlier.localnetLinks.map { .disableRouteLocalnet($0, besides: [earlier.owner]) }
  }

  private func changes(
    _ ports: [PublishedPort], _ floats: [FloatingAddress], _ owner: Owner, _ backend: Backend
  ) -> [Change] {
    let tracked = Set(ports.compactMap(\.trackedConnections))
    let rules = ports.map { Rule.publish($0) } + floats.map { .float($0) }
    // Rules first: they are remembered, and with them the addresses that DEL has to take back.
    return [.addRules(Claim(owner, .ports, rules, backend: backend))]
      + floats.compactMap { $0.addressSpec.map { .addAddress($0) } }
      + PortPlanner.loopback(for: ports, of: owner)
      // Only now: what is forgotten before is remembered again without the rules.
      + (tracked.isEmpty ? [] : [.forgetConnections(tracked)])
  }
}

extension Claim {
  var ports: [PublishedPort] {
    rules.compactMap { if case .publish(let port) = $0 { port } else { nil } }
  }

  var floats: [FloatingAddress] {
    rules.compactMap { if case .float(let float) = $0 { float } else { nil } }
  }
}

extension FloatingAddress {
  /// The address as its device has it; `nil` where no device was given it.
  var addressSpec: AddressSpec? {
    // The host's own connections, and those of other containers, go on with the address they had.
    device.map { AddressSpec(IPPrefix(host: external), on: $0, .host, isSource: false, isAnnounced: true) }
  }
}
