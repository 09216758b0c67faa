public import CNI
public import Kernel
public import NetTypes

/// What an overlay's settings are made from: the configuration, this host's address and what the control plane says.
public struct OverlayInput: Sendable {
  public let config: OverlayConfig
  /// This host's underlay address.
  public let local: IPAddress
  public let controlState: ControlPlaneState
  /// The devices whose tables are as the whole control plane wants them; then `controlState` has only the first peers.
  var written: WrittenDevices?

  public init(_ config: OverlayConfig, local: IPAddress, _ controlState: ControlPlaneState) {
    self.config = config
    self.local = local
    self.controlState = controlState
  }

  /// The state is that of a list of peers.
  ///
  /// - Parameters:
  ///   - config: the configuration.
  ///   - local: this host's underlay address.
  ///   - listed: all hosts, with or without this one.
  ///   - source: what the list was read from; `nil`: nothing that a later ADD could find unchanged.
  private init(
    _ config: OverlayConfig, local: IPAddress, listed: [OverlayPeer], from source: WrittenTables.Source? = nil
  ) {
    var controlState = ControlPlaneState()
    controlState.source = source
    controlState.ownSubnets = listed.filter { $0.vtep == local }.flatMap { $0.subnets }
    controlState.peers = listed.filter { $0.vtep != local }
    self.init(config, local: local, controlState)
  }

  /// Asks this host and the control plane.
  ///
  /// - Parameters:
  ///   - config: the configuration.
  ///   - control: the control plane.
  ///   - network: the network of this configuration.
  ///   - command: ADD also registers this host in etcd.
  ///   - kernel: the host, which is only read.
  /// - Throws: code 7 for an address that this host does not have, 11 if the control plane does not answer.
  public init<K: Kernel & ~Copyable>(
    _ config: OverlayConfig, _ control: some ControlPlaneClient, of network: NetworkName, for command: Command,
    on kernel: inout K
  ) throws(CNIError) {
    let source = config.listSource(control)
    let listed = try config.listedPeers(control)
    let local = try kernel.underlayAddress(config, peers: listed.map { $0.vtep }, for: command)
    guard case .etcd(let plane) = config.controlPlane else {
      // A file that was replaced meanwhile is not known.
      self.init(
        config, local: local, listed: listed, from: source == config.listSource(control) ? source : nil)
      return
    }
    var controlState = try control.consult(plane, of: network, as: config.host(at: local), for: command) {
      (controlState) throws(CNIError) in
      try OverlayInput(config, local: local, controlState).checkFit(of: network, on: &kernel)
    }
    // Without a watch, entries of a container that moved would stay and send its packets to its former host.
    if !control.isWatched(network) {
      for index in controlState.peers.indices { controlState.peers[index].endpoints = [] }
    }
    self.init(config, local: local, controlState)
  }

  /// Values that fit the configuration, for VALIDATE, which asks neither the host nor the control plane.
  public init(placeholderFor config: OverlayConfig) {
    var family = IPFamily.v4, listed: [OverlayPeer] = []
    switch config.controlPlane {
    case .fixed(let peers, _): (family, listed) = (peers.first?.vtep.family ?? family, peers)
    case .multicast(let group): family = group.family
    case .evpn, .etcd: break
    }
    let unknown = family == .v4 ? IPAddress(v4: 0) : IPAddress(v6: 0)
    guard config.controlPlane.isEtcd else {
      self.init(config, local: config.local ?? unknown, listed: listed)
      return
    }
    var controlState = ControlPlaneState()
    controlState.vni = config.vni ?? 1
    controlState.network = [IPPrefix(host: unknown)]
    self.init(config, local: config.local ?? unknown, controlState)
  }

  /// Checks that this host can have the devices that follow from the control plane's state.
  ///
  /// - Throws: code 7 if its existing devices do not fit or cannot be changed to fit.
  private func checkFit<K: Kernel & ~Copyable>(of network: NetworkName, on kernel: inout K) throws(CNIError) {
    let settings = try OverlaySettings(self, RuntimeKeys(), CNIArguments(""))
    let hostState: OverlayHostState
    do throws(KernelError) { hostState = try OverlayHostState(settings, of: network, on: &kernel) } catch {
      throw CNIError(error)
    }
    let devices = OverlayDevices(settings: settings, hostState: hostState, network: network)
    try devices.check()
    _ = try devices.checkedMTU()
  }
}

extension OverlayConfig {
  /// This host as it is registered in etcd.
  public func host(at local: IPAddress) throws(CNIError) -> OverlayHost {
    OverlayHost(
      try checkedMode(), local: local, vtepMAC: vtepMAC, vni: try checkedVNI(), port: try checkedPort(),
      network: network)
  }

  /// The hash of the list of peers; `nil` for another control plane, or if the file cannot be read.
  func listSource(_ control: some ControlPlaneClient) -> WrittenTables.Source? {
    guard case .fixed(_, let file) = controlPlane, let (_, plane) = document.member("controlPlane") else { return nil }
    let hash = FNV1a(plane.bytes).mixed
    guard let file else { return .list(hash) }
    return control.hash(ofFile: file).map { .list((hash ^ $0).mixed) }
  }

  fileprivate func listedPeers(_ control: some ControlPlaneClient) throws(CNIError) -> [OverlayPeer] {
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
  mutating func underlayAddress(
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
    let own = map { $0.address }.filter {
      (family == nil || $0.family == family) && ($0.family == .v4 || !$0.isLinkLocal)
    }
    return own.first(where: peers.contains) ?? own.first { $0.family == .v4 } ?? own.first
  }
}
