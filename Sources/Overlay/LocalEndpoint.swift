public import CNI
public import Kernel
public import NetTypes

/// What an overlay gets from this host and from its control plane in addition to its configuration.
public struct LocalEndpoint: Equatable, Sendable {
  /// This host's underlay address.
  public var local: IPAddress
  public var controlState: ControlPlaneState

  public init(local: IPAddress, _ controlState: ControlPlaneState) {
    self.local = local
    self.controlState = controlState
  }

  /// Makes findings from a list of peers.
  ///
  /// - Parameters:
  ///   - local: this host's underlay address.
  ///   - listed: all hosts, with or without this one.
  init(local: IPAddress, listed: [OverlayPeer]) {
    self.local = local
    controlState = ControlPlaneState()
    controlState.ownSubnets = listed.filter { $0.vtep == local }.flatMap(\.subnets)
    controlState.peers = listed.filter { $0.vtep != local }
  }
}

extension OverlayConfig {
  /// Completes the configuration with data from this host and the control plane.
  ///
  /// - Parameters:
  ///   - control: the control plane.
  ///   - network: the network of this configuration.
  ///   - command: ADD also registers this host in etcd.
  ///   - kernel: the host, which is only read.
  /// - Returns: this configuration with its `localEndpoint`.
  /// - Throws: code 7 for an address that this host does not have, 11 if the control plane does not answer.
  public func completed<K: Kernel & ~Copyable>(
    _ control: some ControlPlaneClient, of network: NetworkName, for command: Command, on kernel: inout K
  ) throws(CNIError) -> OverlayConfig {
    var config = self
    let listed = try listedPeers(control)
    let local = try kernel.underlayAddress(self, peers: listed.map(\.vtep), for: command)
    if case .etcd(let plane) = controlPlane {
      var controlState = try control.consult(plane, of: network, as: host(at: local), for: command) {
        (controlState) throws(CNIError) in
        try requireFit(LocalEndpoint(local: local, controlState), of: network, on: &kernel)
      }
      // Without a watch, entries of a container that moved would stay and send its packets to its former host.
      if !control.isWatched(network) {
        for index in controlState.peers.indices { controlState.peers[index].endpoints = [] }
      }
      config.localEndpoint = LocalEndpoint(local: local, controlState)
    } else {
      config.localEndpoint = LocalEndpoint(local: local, listed: listed)
    }
    return config
  }

  /// This configuration with findings that fit it, for callers that ask neither the host nor the control plane.
  public var withPlaceholderData: OverlayConfig {
    var config = self
    var family = IPFamily.v4, listed: [OverlayPeer] = []
    switch controlPlane {
    case .fixed(let peers, _): (family, listed) = (peers.first?.vtep.family ?? family, peers)
    case .multicast(let group): family = group.family
    case .evpn, .etcd: break
    }
    let unknown = family == .v4 ? IPAddress(v4: 0) : IPAddress(v6: 0)
    var localEndpoint = LocalEndpoint(local: local ?? unknown, listed: listed)
    if controlPlane.isEtcd {
      localEndpoint.controlState.vni = vni ?? 1
      localEndpoint.controlState.network = [IPPrefix(host: unknown)]
    }
    config.localEndpoint = localEndpoint
    return config
  }

  /// Checks that this host can have the devices that follow from these findings.
  ///
  /// - Throws: code 7 if its existing devices do not fit or cannot be changed to fit.
  private func requireFit<K: Kernel & ~Copyable>(
    _ localEndpoint: LocalEndpoint, of network: NetworkName, on kernel: inout K
  ) throws(CNIError) {
    var config = self
    config.localEndpoint = localEndpoint
    let settings = try OverlaySettings(config, RuntimeKeys(), CNIArguments(""))
    let hostState: OverlayHostState
    do throws(KernelError) { hostState = try OverlayHostState(settings, of: network, on: &kernel) } catch {
      throw CNIError(error)
    }
    let devices = OverlayDevices(settings: settings, hostState: hostState, network: network)
    try devices.check()
    _ = try devices.checkedMTU()
  }

  /// This host as it is registered in etcd.
  public func host(at local: IPAddress) throws(CNIError) -> OverlayHost {
    OverlayHost(
      try checkedMode(), local: local, vtepMAC: vtepMAC, vni: try checkedVNI(), port: try checkedPort(),
      network: network)
  }

  private func listedPeers(_ control: some ControlPlaneClient) throws(CNIError) -> [OverlayPeer] {
    guard case .fixed(let listed, let file) = controlPlane else { return [] }
    return try listed + (file.map { (path) throws(CNIError) in try control.peers(inFile: path) } ?? [])
  }

  func checkedVNI() throws(CNIError) -> Int? { try checked("vni", vni, KeyRange.vni) }

  func checkedPort() throws(CNIError) -> UInt16? { try checked("dstport", dstport, KeyRange.port).map { UInt16($0) } }
}

extension OverlayPeer {
  /// The content of a peers file: a list, or an object with the key `peers`.
  public static func list(_ json: JSONReader) throws(CNIError) -> [OverlayPeer] {
    let list = json.value.array == nil ? try json.required("peers") : json
    var peers: [OverlayPeer] = []
    for element in try list.elements() { peers.append(try element.object()) }
    return peers
  }
}

extension Kernel where Self: ~Copyable {
  /// This host's underlay address.
  ///
  /// - Throws: code 7, for STATUS 50, if no address is given and none can be derived, or if the host lacks the given one.
  fileprivate mutating func underlayAddress(
    _ config: OverlayConfig, peers: [IPAddress], for command: Command
  ) throws(CNIError) -> IPAddress {
    let code: CNIError.Code = command == .status ? .notAvailable : .invalidNetworkConfig
    do throws(KernelError) {
      if let given = config.local {
        if try isHostAddress(given) { return given }
      } else if let derived = try derivedUnderlayAddress(config, peers: peers) {
        return derived
      }
    } catch { throw error.isAbsentLink ? CNIError(code, error.description) : CNIError(error) }
    if let given = config.local {
      throw CNIError(code, "key \"local\": \"\(given)\": this host does not have it: want one of its own")
    }
    let reason = config.dev.map { "\($0) has no address" } ?? "neither a peer nor a default route determines an address"
    throw CNIError(code, "key \"local\": \"auto\": \(reason): want an address of this host")
  }

  private mutating func derivedUnderlayAddress(
    _ config: OverlayConfig, peers: [IPAddress]
  ) throws(KernelError) -> IPAddress? {
    var family = peers.first?.family
    if case .multicast(let group) = config.controlPlane { family = group.family }
    if let dev = config.dev {
      return try addresses(of: dev, on: .host).preferred(family, among: peers)
    }
    for peer in peers {
      guard let path = try path(to: peer) else { continue }
      // All hosts may share one list of peers: this host is the peer with one of its own addresses.
      let own = try addresses(of: path.link.name, on: .host) + (try loopbackAddresses())
      return own.first { peers.contains($0.address) }?.address ?? path.source
    }
    if let own = peers.first, try isHostAddress(own) { return own }
    guard let uplink = try uplink(on: .host) else { return nil }
    return try addresses(of: uplink.name, on: .host).preferred(family, among: [])
  }

  private mutating func loopbackAddresses() throws(KernelError) -> [IPPrefix] {
    guard let lo = InterfaceName("lo") else { return [] }
    return try addresses(of: lo, on: .host).filter { !$0.address.isLoopback }
  }
}

extension [IPPrefix] {
  fileprivate func preferred(_ family: IPFamily?, among peers: [IPAddress]) -> IPAddress? {
    let own = map(\.address).filter { (family == nil || $0.family == family) && ($0.family == .v4 || !$0.isLinkLocal) }
    return own.first(where: peers.contains) ?? own.first { $0.family == .v4 } ?? own.first
  }
}
