public import CNI
public import Kernel
public import NetTypes

/// A container's interface as a port of a bridge on the host, for all plugins that use a bridge.
public struct ContainerBridgePort: Equatable, Sendable {
  public var owner: AttachmentID
  public var bridge: InterfaceName
  /// The existing bridge; `nil` if it is created with this port.
  public var existingBridge: LinkInfo?
  /// Largest packet, in bytes.
  public var mtu: Int
  /// The MAC address of the host's end.
  public var hostMAC: MACAddress
  public var settings = BridgePort()
  /// The container's MAC address if it was changed after ADD, which only CHECK finds; `nil` otherwise.
  public var changedMAC: MACAddress?
  /// The table for the static FDB entry of that address; `nil` if a control plane adds the entry.
  public var entry: FDBSpec.Table? = .port
  /// `nil` if no VLAN is configured.
  public var vlans: PortVLANs?
  /// Packet filter rules that must be in place before the container has a link, also while a rollback removes it.
  public var guards: [Change] = []
  /// Whether an existing bridge keeps its MTU if the port's is smaller.
  public var keepsBridgeMTU = false
  /// Whether the container's interface stays down, without addresses.
  public var staysDown = false

  public init(
    _ owner: AttachmentID, on bridge: InterfaceName, _ existingBridge: LinkInfo?, mtu: Int, hostMAC: MACAddress
  ) {
    self.owner = owner
    self.bridge = bridge
    self.existingBridge = existingBridge
    self.mtu = mtu
    self.hostMAC = hostMAC
  }

  /// The changes that create it, from the veth pair to the container's routes.
  ///
  /// - Throws: code 7 for a route that is not valid.
  public func changes(_ addressing: Addressing) throws(CNIError) -> [Change] {
    let hostEnd = owner.hostInterface
    let veth = LinkSpec(
      hostEnd, kind: .veth(peer: .init(name: owner.interface, mac: addressing.mac)), mac: hostMAC, mtu: mtu)
    let port = LinkChange(isUp: true, alias: owner.tag, master: bridge, port: settings)
    var changes: [Change] = pinnedBridge.map { [.changeLink(bridge, on: .host, $0)] } ?? []
    changes += guards
    changes += [
      .createLink(veth),
      .setSysctls(hostSettings, on: .host),
      .changeLink(hostEnd, on: .host, port),
    ]
    if let vlans { changes.append(.setVLANs(vlans, on: hostEnd)) }
    if settings.learning == false, let entry {
      changes.append(.setFDB(FDBSpec(changedMAC ?? addressing.mac, on: hostEnd, in: entry)))
    }
    if let lo = InterfaceName("lo") { changes.append(.changeLink(lo, on: .container, LinkChange(isUp: true))) }
    if !addressing.sysctls.isEmpty { changes.append(.setSysctls(addressing.sysctls, on: .container)) }
    guard !staysDown else { return changes }
    changes += [.changeLink(owner.interface, on: .container, LinkChange(isUp: true)), .awaitRunning(hostEnd)]
    // The kernel drops packets from the bridge itself until it sees, with a delay, that the first port is up.
    if existingBridge?.isRunning != true { changes.append(.awaitRunning(bridge)) }
    return changes + (try addressing.changes())
  }

  /// Whether the plan sets the bridge's MAC address to its present value.
  ///
  /// The kernel then flushes the bridge's neighbour entries.
  public var pinsBridge: Bool { existingBridge?.unpinnedMAC != nil }

  /// The change that pins the MAC address and the MTU of an existing bridge; otherwise they follow its ports.
  private var pinnedBridge: LinkChange? {
    guard let existing = existingBridge else { return nil }
    let pinned = LinkChange(
      mtu: keepsBridgeMTU && mtu < existing.mtu ? existing.mtu : nil, mac: existing.unpinnedMAC)
    return pinned == LinkChange() ? nil : pinned
  }

  /// No IPv6 on the bridge port: it needs none, and with IPv6 it only sends and receives useless multicast.
  private var hostSettings: [Sysctl] {
    [.ignoringRouters(owner.hostInterface), .conf(.v6, owner.hostInterface, "disable_ipv6", "1", isOptional: true)]
  }

  /// The CNI result.
  ///
  /// - Parameters:
  ///   - bridgeMAC: the bridge's MAC address; `nil` if it is not known yet.
  ///   - addressing: the container's addresses and routes.
  ///   - sandbox: the path of the container's namespace.
  ///   - dns: the container's DNS settings.
  /// - Returns: a result with the bridge, the host's end and the container's end, with its addresses.
  public func result(
    bridgeMAC: MACAddress?, _ addressing: Addressing, sandbox: String, dns: DNS
  ) -> AddResult {
    AddResult(
      interfaces: [
        .init(name: bridge.description, mac: bridgeMAC?.description, mtu: existingBridge?.mtu ?? mtu),
        .init(name: owner.hostInterface.description, mac: hostMAC.description, mtu: mtu),
        .init(name: owner.interface.description, mac: addressing.mac.description, mtu: mtu, sandbox: sandbox),
      ],
      ips: addressing.ips.map { AddResult.IP(interface: 2, address: $0.address, gateway: $0.gateway) },
      routes: addressing.routes, dns: dns)
  }
}
