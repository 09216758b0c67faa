import CNI
import Kernel
import NetTypes
import PacketFilter
import PluginKit

/// Adds rules that accept a container's packets on a host whose firewall drops forwarded packets by default.
struct FirewallDriver: ChainDriver {
  static let name = "firewall"
  static let limitsConnections = true

  func settings(_ call: Call<FirewallConfig>) throws(CNIError) -> FirewallSettings { try FirewallSettings(call) }

  func plan<K: Kernel & ~Copyable>(
    _ settings: FirewallSettings, owner: AttachmentID, previous: AddResult, on kernel: inout K
  ) throws(CNIError) -> ChainPlan {
    try checkOnlyPolicy(settings, owner, on: &kernel)
    let changes = try changes(settings, owner, previous, recordedBackend: nil, on: &kernel)
    return ChainPlan(changes, result: previous)
  }

  /// The changes of ADD, with the backend that ADD used: the host's default may have changed since.
  func expectation<K: Kernel & ~Copyable>(
    _ settings: FirewallSettings, owner: AttachmentID, previous: AddResult, on kernel: inout K
  ) throws(CNIError) -> [Change] {
    let recorded = try convertingErrors { () throws(KernelError) in try kernel.filter.ruleSet(of: owner, .firewall) }
    return try changes(settings, owner, previous, recordedBackend: recorded?.backend, on: &kernel)
  }

  private func changes<K: Kernel & ~Copyable>(
    _ settings: FirewallSettings, _ owner: AttachmentID, _ previous: AddResult, recordedBackend earlier: Backend?,
    on kernel: inout K
  ) throws(CNIError) -> [Change] {
    var rules = try zoneSourceRules(previous.containerAddresses, settings.zone, on: kernel)
    var backend: Backend?
    if settings.needsTables {
      let chosen = try convertingErrors { () throws(KernelError) in
        if let earlier { earlier } else { try kernel.filter.backend(settings.backend) }
      }
      let adminChain = chosen == .iptables ? settings.adminChain : nil
      if settings.zone.use != .always {
        rules += try convertingErrors { () throws(KernelError) in
          try admissions(of: previous, adminChain, on: &kernel).map(Rule.admit)
        }
      }
      backend = chosen
    }
    var changes: [Change] = []
    if settings.ingressPolicy != .open {
      let bridge = try bridge(in: previous, for: settings.ingressPolicy, on: &kernel)
      let separates = settings.ingressPolicy == .isolated
      var isolation = Isolation(bridge, reach: .outside, separatesContainers: separates)
      try convertingErrors { () throws(KernelError) in
        try addOtherHosts(of: owner, into: &isolation, from: &kernel.filter)
      }
      rules.append(.isolate(isolation))
      if separates {
        changes = try convertingErrors { () throws(KernelError) in try isolatePorts(of: previous, on: &kernel) }
      }
    }
    if !rules.isEmpty { changes.append(.addRules(RuleSet(owner, .firewall, rules, backend: backend))) }
    // First, so that the host does not accept what the policy denies.
    return try policyChanges(settings, owner, previous, on: &kernel) + changes
  }

  /// Admits packets by bridge and subnet if the container is behind a bridge of the host, else by address.
  private func admissions<K: Kernel & ~Copyable>(
    of result: AddResult, _ adminChain: String?, on kernel: inout K
  ) throws(KernelError) -> [Admission] {
    let bridge = try firstBridge(of: result, on: &kernel)
    return result.containerIPs.map { ip in
      Admission(
        ip.address.address, adminChain: adminChain, network: bridge.map { .init($0, ip.address.network) })
    }
  }

  /// The first bridge among the result's host interfaces; BuildKit and others list the loopback interface before it.
  private func firstBridge<K: Kernel & ~Copyable>(
    of result: AddResult, on kernel: inout K
  ) throws(KernelError) -> InterfaceName? {
    for name in result.hostInterfaces where try kernel.link(name, on: .host)?.kind == "bridge" { return name }
    return nil
  }

  private func firstLink<K: Kernel & ~Copyable>(
    of result: AddResult, on kernel: inout K
  ) throws(KernelError) -> InterfaceName? {
    for name in result.hostInterfaces where try kernel.link(name, on: .host)?.isLoopback != true { return name }
    return nil
  }

  /// The first bridge among the result's interfaces on the host; without one, the first link that is not loopback.
  private func bridge<K: Kernel & ~Copyable>(
    in result: AddResult, for policy: FirewallSettings.IngressPolicy, on kernel: inout K
  ) throws(CNIError) -> InterfaceName {
    if let bridge = try convertingErrors({ () throws(KernelError) in try firstBridge(of: result, on: &kernel) }) {
      return bridge
    }
    guard let first = try convertingErrors({ () throws(KernelError) in try firstLink(of: result, on: &kernel) }) else {
      throw CNIError(
        .invalidNetworkConfig,
        "key \"ingressPolicy\": \"\(policy.rawValue)\": want a bridge among the interfaces of prevResult")
    }
    return first
  }

  /// Adds the network's other hosts to the isolation, from the main plugin's recorded rules.
  ///
  /// Containers of the same network on other hosts may then open connections as local ones do.
  private func addOtherHosts(
    of owner: AttachmentID, into isolation: inout Isolation, from filter: inout some PacketFilter
  ) throws(KernelError) {
    for case .isolate(let mainIsolation) in try filter.ruleSet(of: owner, .network)?.rules ?? []
    where mainIsolation.bridge == isolation.bridge {
      isolation.partner = mainIsolation.partner
      isolation.directPrefixes = mainIsolation.directPrefixes
    }
  }

  /// Isolates the bridge ports, because bridged packets pass no rule unless br_netfilter is on.
  ///
  /// Equals `bridge link set dev PORT isolated on`.
  private func isolatePorts<K: Kernel & ~Copyable>(
    of result: AddResult, on kernel: inout K
  ) throws(KernelError) -> [Change] {
    var changes: [Change] = []
    for interface in result.interfaces where interface.isOnHost {
      guard let name = InterfaceName(interface.name), try kernel.link(name, on: .host)?.port != nil else { continue }
      changes.append(.changeLink(name, on: .host, LinkChange(port: BridgePort(isolated: true))))
    }
    return changes
  }

  func removal<K: Kernel & ~Copyable>(
    of owner: AttachmentID, _ config: FirewallConfig?, on kernel: inout K
  ) -> [Change] {
    [
      .removeRules(owner, .firewall, everywhere: true),
      .removeRules(owner, .policies, everywhere: config.map { $0.policy != nil } ?? true),
    ]
  }

  func removal<K: Kernel & ~Copyable>(
    of owner: AttachmentID, _ config: FirewallConfig?, after previous: AddResult?, on kernel: inout K
  ) throws(KernelError) -> [Change] {
    // Rules of the reference plugin contain the address but not the container's ID.
    let addresses = previous?.containerAddresses ?? []
    let zone = config?.removalZone
    return try disconnecting(owner, previous, on: &kernel) + [
      .removeReferencePluginRules(owner, .firewall, addresses, zone: zone)
    ]
      + removal(of: owner, config, on: &kernel)
  }

  func garbage<K: Kernel & ~Copyable>(
    of network: NetworkName, _ config: FirewallConfig, valid: Set<AttachmentID>, on kernel: inout K
  ) throws(KernelError) -> [Change] {
    // A main plugin that has no GC leaves the container attached.
    var ports: [Change] = []
    for stale in try kernel.filter.ruleSets(of: network, except: valid) where stale.role == .policies {
      ports += try disconnecting(stale.owner, nil, on: &kernel)
    }
    return ports + [
      .removeStaleRules(network, .firewall, valid: valid, everywhere: true),
      .removeStaleRules(network, .policies, valid: valid, everywhere: config.policy != nil),
    ]
  }

  func obstacle<K: Kernel & ~Copyable>(
    _ config: FirewallConfig, on kernel: inout K
  ) throws(KernelError) -> String? {
    if let obstacle = zoneObstacle(config, on: kernel) { return obstacle }
    if config.policy != nil, let obstacle = kernel.filter.obstacle(.nftables) { return "key \"policy\": \(obstacle)" }
    if config.isForZonesOnly { return nil }
    return kernel.filter.obstacle(config.backend.flatMap { Backend($0) }, to: .outbound)
  }
}
