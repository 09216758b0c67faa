public import CNI
public import Kernel
public import NetTypes

/// Updates a network's devices and tunnel tables on a host from its control plane, without an attachment.
public struct OverlayReconciler {
  private let devices: OverlayDevices
  /// The entries that the other hosts need; `nil` if this plugin does not fill the tables.
  private let tables: TunnelTables?

  /// Reads the state of a host.
  ///
  /// - Parameters:
  ///   - settings: the settings, with data from the control plane.
  ///   - network: the network of the configuration.
  ///   - kernel: the host.
  /// - Throws: the kernel's error.
  public init<K: Kernel & ~Copyable>(
    _ settings: OverlaySettings, of network: NetworkName, on kernel: inout K
  ) throws(KernelError) {
    self.init(
      OverlayDevices(
        settings: settings, hostState: try OverlayHostState(settings, of: network, on: &kernel), network: network))
  }

  private init(_ devices: OverlayDevices) {
    self.devices = devices
    tables = devices.settings.tables(devices.names, devices.hostState, gateways: [])
  }

  /// Changes that write only entries that differ; none if the network has no devices on this host.
  ///
  /// - Throws: code 7 for devices with other settings.
  public func changes() throws(CNIError) -> [Change] {
    guard devices.hostState.bridge != nil, devices.hostState.vxlan != nil else { return [] }
    try devices.check()
    return devices.tunnelGuardChanges + devices.states + (tables.map { [.setTunnelTables($0)] } ?? [])
  }

  /// The same network with other peers.
  ///
  /// - Parameters:
  ///   - settings: the settings, with newer data from the control plane.
  ///   - kernel: the host: whether the devices are still those that were read.
  /// - Returns: `nil` if more than the peers differs, so that the host must be read again.
  /// - Throws: the kernel's error.
  public func followed<K: Kernel & ~Copyable>(
    by settings: OverlaySettings, on kernel: inout K
  ) throws(KernelError) -> OverlayReconciler? {
    guard devices.canFollow(settings), try devices.areUnchanged(on: &kernel) else { return nil }
    var next = devices
    next.settings = settings
    return OverlayReconciler(next)
  }

  /// Changes from this state, which the host has, to the state of `next`, without a look at entries.
  ///
  /// - Throws: code 7 for peers that do not fit the devices.
  public func changes(to next: OverlayReconciler) throws(CNIError) -> [Change] {
    try next.devices.check()
    var changes: [Change] = []
    if let old = devices.tunnelGuard, let new = next.devices.tunnelGuard, old != new {
      changes.append(.updateRules(from: old, to: new))
    }
    if let tables, let wanted = next.tables {
      let update = TunnelTablesUpdate(from: tables, to: wanted)
      if !update.isEmpty { changes.append(.updateTunnelTables(update)) }
    }
    return changes
  }

  /// The reason why no ADD can succeed now; `nil` if there is none.
  ///
  /// - Throws: the kernel's error.
  public func obstacle<K: Kernel & ~Copyable>(on kernel: inout K) throws(KernelError) -> String? {
    do throws(CNIError) {
      try devices.check()
      _ = try devices.checkedMTU()
    } catch { return error.message }
    if let vrf = devices.settings.vrf, devices.hostState.vrf.vrf == nil {
      do throws(KernelError) { try kernel.testCreation(of: LinkSpec(vrf.name, kind: .vrf(table: vrf.table))) } catch {
        return error.description
      }
    }
    for family in IPFamily.allCases {
      let wanted = devices.settings.neighbourCount(family)
      let key = "net/ipv\(family.digit)/neigh/default/gc_thresh3"
      guard let limit = try kernel.sysctl(key, on: .host).flatMap(Int.init), wanted >= limit else { continue }
      return "\(wanted) neighbours of other hosts: \(key) is \(limit): want \(wanted * 2) or more"
    }
    return nil
  }
}

extension OverlayReconciler {
  /// An error with the names of links whose MTU is larger than the underlay carries; `nil` if there are none.
  ///
  /// - Throws: the kernel's error.
  public func mtuExcess<K: Kernel & ~Copyable>(on kernel: inout K) throws(KernelError) -> CNIError? {
    guard let underlayMTU = devices.hostState.underlayMTU, let device = devices.hostState.vxlan else { return nil }
    let limit = underlayMTU - devices.overhead
    var larger = device.mtu > limit ? ["\(device.name) with \(device.mtu)"] : []
    if devices.hostState.bridge != nil {
      let ports = try kernel.links(kind: "veth", master: devices.names.bridge, on: .host).filter { $0.mtu > limit }
      larger += ports.map { "container port \($0.name) with \($0.mtu)" }
    }
    guard !larger.isEmpty else { return nil }
    return CNIError(
      .limitedConnectivity,
      "MTU: the underlay carries \(underlayMTU) bytes, and the tunnel takes \(devices.overhead) of them: want at most \(limit): \(larger.joined(separator: ", "))",
      details: "new containers get \(limit); ip link set \(device.name) mtu \(limit), and restart the other containers")
  }
}

extension OverlaySettings {
  /// The number of neighbour entries of that family that the peers need.
  fileprivate func neighbourCount(_ family: IPFamily) -> Int {
    controlState.peers.reduce(0) { count, peer in
      let families = mode == .l3 ? peer.subnets.map { $0.family } : peer.endpoints.map { $0.address.family }
      return count + families.count { $0 == family }
    }
  }
}

extension OverlayDevices {
  /// Whether only peers differ, and nothing must be looked up for them.
  fileprivate func canFollow(_ other: OverlaySettings) -> Bool {
    guard hostState.bridge != nil, hostState.vxlan != nil, settings.ownsTables, !settings.routesDirectly,
      settings.knowsIPv6Endpoints || !other.knowsIPv6Endpoints
    else { return false }
    var other = other
    other.controlState.peers = settings.controlState.peers
    other.controlState.members = settings.controlState.members
    return other == settings
  }

  /// Whether the host still has these devices, with the same addresses.
  fileprivate func areUnchanged<K: Kernel & ~Copyable>(on kernel: inout K) throws(KernelError) -> Bool {
    guard try kernel.link(names.bridge, on: .host)?.isSame(as: hostState.bridge) == true,
      try kernel.link(names.vxlan, on: .host)?.isSame(as: hostState.vxlan) == true
    else { return false }
    return try kernel.addresses(of: names.bridge, on: .host) == hostState.gatewayAddresses
  }
}

extension LinkInfo {
  /// Whether it is the same link, with entries that no change of it has removed.
  fileprivate func isSame(as other: LinkInfo?) -> Bool {
    guard let other else { return false }
    return index == other.index && mac == other.mac && isUp && other.isUp && master == other.master
  }
}
