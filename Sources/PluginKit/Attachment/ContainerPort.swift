public import CNI
public import Kernel
public import NetTypes

/// A container's interface as a port of a bridge on the host, the same whoever made the bridge.
public struct ContainerPort: Equatable, Sendable {
  public var owner: Owner
  public var bridge: InterfaceName
  /// As it was found; `nil` where it is made with this port.
  public var bridgeThere: LinkInfo?
  /// Largest packet, in bytes.
  public var mtu: Int
  /// Of the host's end.
  public var hostMAC: MACAddress
  public var settings = BridgePort()
  /// The container's MAC address if it was changed after ADD, which only CHECK finds; `nil` otherwise.
  public var macThere: MACAddress?
  /// How the bridge gets an FDB entry for that address; `nil`: from a control plane.
  public var entry: FDBSpec.Table? = .port
  /// `nil`: the bridge knows none.
  public var vlans: PortVLANs?
  /// What must stand before the container can send: packet filter rules.
  public var guards: [Change] = []
  /// Whether a bridge that is there keeps its MTU if the port's is smaller.
  public var keepsBridgeMTU = false
  /// Whether the container's interface stays down, without addresses.
  public var staysDown = false

  public init(_ owner: Owner, on bridge: InterfaceName, _ bridgeThere: LinkInfo?, mtu: Int, hostMAC: MACAddress) {
    self.owner = owner
    self.bridge = bridge
    self.bridgeThere = bridgeThere
    self.mtu = mtu
    self.hostMAC = hostMAC
  }

  /// What makes it, from the pair to the routes of the container.
  ///
  /// - Throws: code 7 for a route that cannot be.
  public func changes(_ addressing: Addressing) throws(CNIError) -> [Change] {
    let outside = owner.hostInterface
    let veth = LinkSpec(
      outside, kind: .veth(peer: .init(name: owner.interface, mac: addressing.mac)), mac: hostMAC, mtu: mtu)
    let port = LinkChange(isUp: true, alias: owner.tag, master: bridge, port: settings)
    var changes: [Change] = pinnedBridge.map { [.changeLink(bridge, on: .host, $0)] } ?? []
    changes += [
      .createLink(veth),
      .setSysctls(hostSettings, on: .host),
      .changeLink(outside, on: .host, port),
    ]
    if let vlans { changes.append(.setVLANs(vlans, on: outside)) }
    if settings.learning == false, let entry {
      changes.append(.setFDB(FDBSpec(macThere ?? addressing.mac, on: outside, in: entry)))
    }
    changes += guards
    if let lo = InterfaceName("lo") { changes.append(.changeLink(lo, on: .container, LinkChange(isUp: true))) }
    if !addressing.sysctls.isEmpty { changes.append(.setSysctls(addressing.sysctls, on: .container)) }
    guard !staysDown else { return changes }
    changes += [.changeLink(owner.interface, on: .container, LinkChange(isUp: true)), .awaitRunning(outside)]
    // The kernel drops what a bridge itself sends until it has noticed, some time later, that a first port is up.
    if bridgeThere?.isRunning != true { changes.append(.awaitRunning(bridge)) }
    return changes + (try addressing.changes())
  }

  /// Whether the plan sets the MAC address that the bridge has; the kernel then removes all its neighbour entries.
  public var pinsBridge: Bool { bridgeThere?.unpinnedMAC != nil }

  /// What keeps the MAC address and the MTU of a bridge that is there as they are: without a user's they follow its ports.
  private var pinnedBridge: LinkChange? {
    guard let there = bridgeThere else { return nil }
    let pinned = LinkChange(
      mtu: keepsBridgeMTU && mtu < there.mtu ? there.mtu : nil, mac: there.unpinnedMAC)
    return pinned == LinkChange() ? nil : pinned
  }

  /// A bridge's port needs no IPv6 at all, and each that has it hears and sends multicast for nothing.
  private var hostSettings: [Sysctl] {
    [.ignoringRouters(owner.hostInterface), .conf(.v6, owner.hostInterface, "disable_ipv6", "1", isOptional: true)]
  }

  /// What to answer.
  ///
  /// - Parameters:
  ///   - bridgeMAC: `nil` where nobody knows it yet.
  ///   - addressing: the container's.
  ///   - sandbox: the path of the container's namespace.
  ///   - dns: for the container.
  /// - Returns: the bridge, the host's end, the container's, with its addresses.
  public func result(
    bridgeMAC: MACAddress?, _ addressing: Addressing, sandbox: String, dns: DNS
  ) -> AddResult {
    AddResult(
      interfaces: [
        .init(name: bridge.description, mac: bridgeMAC?.description, mtu: bridgeThere?.mtu ?? mtu),
        .init(name: owner.hostInterface.description, mac: hostMAC.description, mtu: mtu),
        .init(name: owner.interface.description, mac: addressing.mac.description, mtu: mtu, sandbox: sandbox),
      ],
      ips: addressing.ips.map { AddResult.IP(interface: 2, address: $0.address, gateway: $0.gateway) },
      routes: addressing.routes, dns: dns)
  }
}
