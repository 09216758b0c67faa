public import CNI
public import Kernel
public import NetTypes

/// Brings a network's devices and tables on a host in line with its control plane, without any container.
public struct OverlayReconciler {
  private let devices: OverlayDevices

  /// Reads the state of a host.
  ///
  /// - Parameters:
  ///   - settings: of a configuration with data from its control plane.
  ///   - network: the network of the configuration.
  ///   - kernel: the host.
  /// - Throws: the kernel's error.
  public init<K: Kernel & ~Copyable>(
    _ settings: OverlaySettings, of network: NetworkName, on kernel: inout K
  ) throws(KernelError) {
    devices = OverlayDevices(
      settings: settings, hostState: try OverlayHostState(settings, of: network, on: &kernel), network: network)
  }

  /// Changes that write only what differs; none if the network has no devices on this host.
  ///
  /// - Throws: code 7 for devices with other settings.
  public func changes() throws(CNIError) -> [Change] {
    guard devices.hostState.bridge != nil, devices.hostState.vxlan != nil else { return [] }
    try devices.check()
    let tables = devices.settings.tables(devices.names, devices.hostState, gateways: [])
    return devices.tunnelGuardChanges + devices.states + (tables.map { [.setTunnelTables($0)] } ?? [])
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
      guard let most = try kernel.sysctl(key, on: .host).flatMap(Int.init), wanted >= most else { continue }
      return "\(wanted) neighbours of other hosts: \(key) is \(most): want \(wanted * 2) or more"
    }
    return nil
  }
}

extension OverlayReconciler {
  /// Names the links with a larger MTU than the underlay carries; `nil` if there are none.
  ///
  /// - Throws: the kernel's error.
  public func mtuExcess<K: Kernel & ~Copyable>(on kernel: inout K) throws(KernelError) -> CNIError? {
    guard let below = devices.hostState.underlayMTU, let device = devices.hostState.vxlan else { return nil }
    let most = below - devices.overhead
    var larger = device.mtu > most ? ["\(device.name) with \(device.mtu)"] : []
    if devices.hostState.bridge != nil {
      let ports = try kernel.links(kind: "veth", master: devices.names.bridge, on: .host).filter { $0.mtu > most }
      larger += ports.map { "container port \($0.name) with \($0.mtu)" }
    }
    guard !larger.isEmpty else { return nil }
    return CNIError(
      .limitedConnectivity,
      "MTU: the underlay carries \(below), less \(devices.overhead) for the tunnel: want at most \(most): \(larger.joined(separator: ", "))",
      details: "new containers get \(most); ip link set \(device.name) mtu \(most), and restart the other containers")
  }
}

extension OverlaySettings {
  /// How many neighbour entries of that family the control plane needs.
  fileprivate func neighbourCount(_ family: IPFamily) -> Int {
    controlState.peers.reduce(0) { count, peer in
      let families = mode == .l3 ? peer.subnets.map(\.family) : peer.endpoints.map(\.address.family)
      return count + families.count { $0 == family }
    }
  }
}
