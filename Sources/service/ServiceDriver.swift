import CNI
import Kernel
import Linux
import NetTypes
import PacketFilter
import PluginKit
import Services

/// Makes the container a back-end of a service, which has a virtual address.
struct ServiceDriver: ChainDriver {
  static var name: String { "service" }

  func settings(_ call: Call<ServiceConfig>) throws(CNIError) -> [ServiceSettings] { try ServiceSettings.all(call) }

  func plan<K: Kernel & ~Copyable>(
    _ services: [ServiceSettings], owner: AttachmentID, previous: AddResult, on kernel: inout K
  ) throws(CNIError) -> ChainPlan {
    guard !services.isEmpty else { return ChainPlan([], result: previous) }
    // Until the end: the rule of a service names all of its back-ends.
    try convertingErrors { () throws(KernelError) in
      _ = try kernel.filter.backend(.nftables)
      try kernel.filter.lock()
    }
    var backEnds = try backEnds(services, owner, previous, on: &kernel)
    if backEnds.contains(where: { $0.proxy != nil }), DaemonProcess.program("haproxy") == nil {
      throw CNIError(.notAvailable, Self.lacksHaproxy)
    }
    var ports = backEnds.compactMap { $0.ownPort }
    let proxies = Set(services.map { StatePaths.haproxyConfig($0.service, network: "\(owner.network)") })
    try PortConflicts(owner: owner, isForService: true, proxies: proxies).check(&ports, on: &kernel)
    for index in backEnds.indices { try claimDevice(&backEnds[index], owner, on: &kernel) }
    var present: [AddressSpec] = []
    for spec in backEnds.addressSpecs {
      let isPresent = try convertingErrors { () throws(KernelError) in
        try kernel.isHostAddress(spec.prefix.address)
      }
      if isPresent { present.append(spec) }
    }
    return ChainPlan(changes(backEnds, owner, except: present), result: previous)
  }

  private func changes(_ backEnds: [BackEnd], _ owner: AttachmentID, except present: [AddressSpec] = []) -> [Change] {
    // Rules first: their record lists the addresses that DEL has to remove.
    [.addRules(RuleSet(owner, .services, backEnds.map { .balance($0) }, backend: .nftables))]
      + backEnds.addressSpecs.filter { !present.contains($0) }.map { .addAddress($0) }
  }

  /// One back-end for each virtual address or published port of a family that the container has.
  private func backEnds<K: Kernel & ~Copyable>(
    _ services: [ServiceSettings], _ owner: AttachmentID, _ previous: AddResult, on kernel: inout K
  ) throws(CNIError) -> [BackEnd] {
    // Any link answers ARP for an address of the host, but only the link that has it answers neighbour discovery. An IPv4
    // address of the subnet would keep plugins from using the bridge.
    guard let loopback = InterfaceName("lo") else { return [] }
    var addresses = ContainerAddresses(of: owner.interface, in: previous)
    var backEnds: [BackEnd] = []
    for service in services {
      for vip in service.vips {
        let prefix = try addresses.prefix(vip.family, for: "a back-end of \(vip)", configKey: "vip")
        let device = vip.family == .v4 ? loopback : try addresses.link(to: prefix, on: &kernel)
        for port in service.ports {
          var backEnd = service.backEnd(vip, port.port, port, prefix)
          backEnd.device = device
          backEnds.append(backEnd)
        }
      }
      for (hostPort, port) in service.published {
        for family in addresses.families where service.vips.contains(where: { $0.family == family }) {
          let prefix = try addresses.prefix(family, for: "host port \(hostPort)", configKey: "publish")
          backEnds.append(service.backEnd(nil, hostPort, port, prefix))
        }
      }
    }
    return backEnds
  }

  /// Clears `device` if the host has the virtual address itself, so that DEL does not remove it.
  private func claimDevice<K: Kernel & ~Copyable>(
    _ backEnd: inout BackEnd, _ owner: AttachmentID, on kernel: inout K
  ) throws(CNIError) {
    guard let address = backEnd.address, let device = backEnd.device else { return }
    let isHosts = try convertingErrors { () throws(KernelError) -> Bool in
      guard try kernel.isHostAddress(address) else { return false }
      let earlier = try kernel.filter.ruleSet(of: owner, .services)?.backEnds ?? []
      guard !earlier.contains(where: { $0.address == address && $0.device == device }) else { return false }
      return try !kernel.filter.needsVirtualAddress(address, on: device, except: [owner])
    }
    if isHosts { backEnd.device = nil }
  }

  func expectation<K: Kernel & ~Copyable>(
    _ services: [ServiceSettings], owner: AttachmentID, previous: AddResult, on kernel: inout K
  ) throws(CNIError) -> [Change] {
    guard !services.isEmpty else { return [] }
    let recorded = try convertingErrors { () throws(KernelError) in
      try kernel.filter.ruleSet(of: owner, .services)?.backEnds ?? []
    }
    var backEnds = try backEnds(services, owner, previous, on: &kernel)
    for index in backEnds.indices {
      // An address that the host had before ADD is not ours, so it is not expected on the link.
      let earlier = recorded.first { $0.address == backEnds[index].address && $0.port == backEnds[index].port }
      backEnds[index].device = earlier?.device
    }
    let far = try convertingErrors { () throws(KernelError) in
      try kernel.filter.ruleSet(of: .farBackEnds(of: owner.network), .services)
    }
    return changes(backEnds, owner) + [far].compactMap { $0.map { .addRules($0) } }
  }

  func removal<K: Kernel & ~Copyable>(
    of owner: AttachmentID, _ config: ServiceConfig?, on kernel: inout K
  ) throws(KernelError) -> [Change] {
    try kernel.filter.lock()
    var backEnds = try kernel.filter.ruleSet(of: owner, .services)?.backEnds ?? []
    // Rules last: their record lists the addresses.
    var changes = try addressRemovals(backEnds, of: [owner], on: &kernel)
    changes.append(.removeRules(owner, .services, everywhere: true))
    if let far = try farBackEndsToRemove(with: owner, on: &kernel) {
      changes.append(.removeRules(far.owner, .services, everywhere: false))
      backEnds += far.backEnds
    }
    return changes + connectionRemovals(backEnds)
  }

  func garbage<K: Kernel & ~Copyable>(
    of network: NetworkName, _ config: ServiceConfig, valid: Set<AttachmentID>, on kernel: inout K
  ) throws(KernelError) -> [Change] {
    try kernel.filter.lock()
    // Those of other hosts stay as long as a container of this host is on the network.
    let valid = valid.isEmpty ? valid : valid.union([.farBackEnds(of: network)])
    let gone = try kernel.filter.ruleSets(of: network, except: valid).filter { $0.role == .services }
    let backEnds = gone.flatMap { $0.backEnds }
    return try addressRemovals(backEnds, of: Set(gone.map { $0.owner }), on: &kernel)
      + [.removeStaleRules(network, .services, valid: valid, everywhere: true)] + connectionRemovals(backEnds)
  }

  /// The rules for back-ends of other hosts, if this is the last container here.
  private func farBackEndsToRemove<K: Kernel & ~Copyable>(
    with owner: AttachmentID, on kernel: inout K
  ) throws(KernelError) -> RuleSet? {
    let farOwner = AttachmentID.farBackEnds(of: owner.network)
    guard let far = try kernel.filter.ruleSet(of: farOwner, .services) else { return nil }
    let others = try kernel.filter.ruleSets(of: owner.network, except: [owner, farOwner])
    return others.contains { $0.role == .services } ? nil : far
  }

  /// Removes the addresses that no other back-end needs.
  private func addressRemovals<K: Kernel & ~Copyable>(
    _ backEnds: [BackEnd], of owners: Set<AttachmentID>, on kernel: inout K
  ) throws(KernelError) -> [Change] {
    var changes: [Change] = []
    for spec in backEnds.addressSpecs {
      let address = spec.prefix.address, link = spec.interface
      guard try !kernel.filter.needsVirtualAddress(address, on: link, except: owners) else { continue }
      // The kernel removes a link's addresses with the link.
      let present = try nilIfLinkMissing { () throws(KernelError) in try kernel.addresses(of: link, on: .host) }
      if present?.contains(spec.prefix) == true { changes.append(.deleteAddress(spec)) }
    }
    return changes
  }

  /// Deletes the conntrack entries of UDP connections.
  private func connectionRemovals(_ backEnds: [BackEnd]) -> [Change] {
    let tracked = Set(backEnds.compactMap { $0.trackedConnections })
    return tracked.isEmpty ? [] : [.deleteConntrackEntries(tracked)]
  }

  func obstacle<K: Kernel & ~Copyable>(_ config: ServiceConfig, on kernel: inout K) throws(KernelError) -> String? {
    if config.proxy != nil, DaemonProcess.program("haproxy") == nil { return Self.lacksHaproxy }
    return kernel.filter.obstacle(.nftables)
  }

  private static let lacksHaproxy = "key \"engine\": \"haproxy\": the program is not installed: want it, or nftables"
}

extension ServiceSettings {
  fileprivate func backEnd(_ address: IPAddress?, _ number: UInt16, _ port: ServicePort, _ prefix: IPPrefix) -> BackEnd
  {
    var backEnd = BackEnd(
      of: service, address, port.transport, number, scheduler, to: prefix.address, port.target, in: prefix.network,
      weight: weight)
    backEnd.resolve = resolve
    backEnd.health = health
    backEnd.proxy = proxy
    return backEnd
  }
}

extension BackEnd {
  /// The port that no process may have bound; `nil` at a virtual address without haproxy.
  fileprivate var ownPort: PublishedPort? {
    guard address == nil || proxy != nil else { return nil }
    return PublishedPort(transport, hostIP: address, hostPort: port, to: target, targetPort)
  }
}

extension [BackEnd] {
  /// The virtual addresses on their links, each once.
  fileprivate var addressSpecs: [AddressSpec] {
    var specs: [AddressSpec] = []
    for backEnd in self {
      guard let address = backEnd.address, let device = backEnd.device else { continue }
      // Not a source address: connections of the host keep their present source.
      let spec = AddressSpec(IPPrefix(host: address), on: device, .host, isSource: false)
      if !specs.contains(spec) { specs.append(spec) }
    }
    return specs
  }
}
