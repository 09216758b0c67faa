public import CNI
public import Kernel
import NetTypes
import PacketFilter
import PluginKit

/// The devices of a network whose tables and rules were found to be right.
public struct WrittenDevices: Equatable, Sendable {
  var bridge: Int32
  var vxlan: Int32

  /// Whether the host still has these devices, and no change of an ADD removes their entries.
  func areThose(of devices: OverlayDevices) -> Bool {
    devices.hostState.bridge?.index == bridge && devices.hostState.vxlan?.index == vxlan && devices.ownsBridge
      && !devices.losesNeighbours
  }

  /// The error of an ADD that has to read everything after all.
  public static let areGone = CNIError(
    .tryAgainLater, "the network's devices on this host were removed during this ADD")
}

extension OverlayInput {
  /// The input of an ADD if the tables are as they were written last, and neither etcd nor the list of peers has changed.
  ///
  /// It costs one or two small requests to etcd, and a look at the tables without a list of what they should have.
  ///
  /// - Parameters:
  ///   - config: the configuration.
  ///   - control: the control plane.
  ///   - network: the network of this configuration.
  ///   - kernel: the host, which is only read.
  /// - Returns: `nil` if anything differs, so that everything has to be read.
  /// - Throws: code 11 if the control plane does not answer.
  public static func written<K: Kernel & ~Copyable>(
    _ config: OverlayConfig, _ control: some ControlPlaneClient, of network: NetworkName, on kernel: inout K
  ) throws(CNIError) -> OverlayInput? {
    guard config.controlPlane.providesSubnets, var tables = control.writtenTables(of: network) else { return nil }
    let known = config.controlPlane.isEtcd ? [] : tables.controlState.peers.map { $0.vtep } + [tables.local]
    guard try kernel.underlayAddress(config, peers: known, for: .add) == tables.local,
      let source = try config.unchangedSource(since: tables, control, of: network)
    else { return nil }
    var input = OverlayInput(config, local: tables.local, tables.controlState)
    let settings = try OverlaySettings(input, RuntimeKeys(), CNIArguments(""))
    let devices: OverlayDevices
    do throws(KernelError) {
      devices = OverlayDevices(
        settings: settings, hostState: try OverlayHostState(settings, of: network, on: &kernel), network: network)
      guard try devices.has(tables, config, isWatched: control.isWatched(network), on: &kernel) else { return nil }
    } catch {
      guard error.isAbsentLink || error.isLostAnswer else { throw CNIError(error) }
      return nil
    }
    if source != tables.source {
      tables.source = source
      control.record(tables, of: network)
    }
    input.written = devices.written
    return input
  }

  /// Records what an ADD has written the tables from, for the next one.
  ///
  /// - Parameters:
  ///   - control: the control plane.
  ///   - network: the network of this configuration.
  ///   - kernel: the host after the ADD.
  /// - Throws: the kernel's error.
  public func recordTables<K: Kernel & ~Copyable>(
    _ control: some ControlPlaneClient, of network: NetworkName, on kernel: inout K
  ) throws(CNIError) {
    guard written == nil, let source = controlState.source else { return }
    let settings = try OverlaySettings(self, RuntimeKeys(), CNIArguments(""))
    guard settings.allowsRecord else { return }
    let hostState: OverlayHostState
    do throws(KernelError) { hostState = try OverlayHostState(settings, of: network, on: &kernel) } catch {
      throw CNIError(error)
    }
    let devices = OverlayDevices(settings: settings, hostState: hostState, network: network)
    guard let tables = settings.tables(devices.names, hostState, gateways: []) else { return }
    control.record(
      WrittenTables(
        from: source, inputs: devices.tableInputs(config, isWatched: control.isWatched(network)),
        TunnelDigest(of: tables),
        at: local, controlState), of: network)
  }
}

extension OverlayConfig {
  fileprivate func unchangedSource(
    since tables: WrittenTables, _ control: some ControlPlaneClient, of network: NetworkName
  ) throws(CNIError) -> WrittenTables.Source? {
    guard case .etcd(let plane) = controlPlane else {
      return listSource(control).flatMap { $0 == tables.source ? $0 : nil }
    }
    return try control.unchangedSource(since: tables.source, plane, of: network, as: host(at: tables.local))
  }
}

extension OverlayConfig {
  /// The keys from which the peers and their entries follow; the hash of a list is compared by itself.
  fileprivate var peerKeys: String {
    ["controlPlane", "vni", "dstport", "network", "vtepMac"].map { key in
      document.member(key).map { String(decoding: $0.value.bytes, as: UTF8.self) } ?? ""
    }.joined(separator: " ")
  }
}

extension OverlaySettings {
  /// Whether a record of the tables is enough: direct routes depend on paths to all peers, and an address of a container
  /// without a subnet of this host must be compared with all subnets.
  fileprivate var allowsRecord: Bool {
    guard !routesDirectly else { return false }
    guard mode == .l3 else { return true }
    let own = controlState.ownSubnets
    return !own.isEmpty
      && !controlState.peers.contains { peer in peer.subnets.contains { subnet in own.contains { $0.overlaps(subnet) } }
      }
  }
}

extension OverlayDevices {
  fileprivate var written: WrittenDevices? {
    guard let bridge = hostState.bridge, let vxlan = hostState.vxlan else { return nil }
    return WrittenDevices(bridge: bridge.index, vxlan: vxlan.index)
  }

  /// The hash of everything but the peers that the tables and the tunnel's rules follow from.
  fileprivate func tableInputs(_ config: OverlayConfig, isWatched: Bool) -> UInt64 {
    let links = [hostState.bridge, hostState.vxlan].map { link in
      link.map { "\($0.name) \($0.index) \($0.mac?.description ?? "") \($0.isUp)" } ?? ""
    }
    let parts =
      links + [
        "\(settings.mode)", "\(settings.tunnel)", "\(settings.vtepMAC)", "\(settings.local)", config.peerKeys,
        hostState.gatewayAddresses.map { $0.description }.joined(separator: " "),
        "\(hostState.guardsTunnel) \(hostState.sharesPort) \(isWatched) \(settings.routesDirectly)",
      ]
    return FNV1a(parts.joined(separator: "\n")).mixed
  }

  /// Whether the devices and their tables are as they were recorded, and the tunnel's rules are there.
  fileprivate func has<K: Kernel & ~Copyable>(
    _ tables: WrittenTables, _ config: OverlayConfig, isWatched: Bool, on kernel: inout K
  ) throws(KernelError) -> Bool {
    guard let written, written.areThose(of: self), tableInputs(config, isWatched: isWatched) == tables.inputs,
      try kernel.tunnelDigest(of: names.vxlan, neighboursOn: settings.mode == .l2 ? names.bridge : names.vxlan)
        == tables.digest
    else { return false }
    var sample = self
    sample.settings.controlState.peers = Array(settings.controlState.peers.prefix(2))
    return try sample.tunnelGuard.map { (rules) throws(KernelError) in try kernel.filter.has(recorded: rules) } ?? true
  }
}
