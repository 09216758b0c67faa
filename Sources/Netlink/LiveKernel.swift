import Glibc
public import Kernel
import Linux
public import NetTypes
public import PacketFilter

/// The running kernel, seen from this process's network namespace and, if one is given, from the container's.
public struct LiveKernel<HostFilter: PacketFilter>: ~Copyable, Kernel {
  var host: NetNSHandle
  var container: NetNSHandle?
  public var filter: GuardedFilter<HostFilter>
  public var journal: Journal? {
    didSet {
      host.socket.journal = journal
      container?.socket.journal = journal
    }
  }
  public var dryRun: DryRun? {
    didSet {
      guard dryRun != nil else { return }
      clearCaches()
      filter.isReadOnly = true
    }
  }
  private var hostLock: FileLock?
  /// Indices of the links looked up so far; requests use them instead of names.
  var indices: [LinkKey: Int32] = [:]
  /// Links read since the last change: a plan and its comparison with the host read the same links.
  private var cachedLinks: [LinkKey: LinkInfo?] = [:]
  private var cachedAddresses: [LinkKey: [IPPrefix]] = [:]
  private var cachedRoutes: [LinkKey: [RouteSpec]] = [:]
  /// Paths looked up since the last change, with their links: a network may have thousands of hosts.
  private var cachedPaths: [IPAddress: RoutePath?] = [:]
  private var cachedPathLinks: [Int32: LinkInfo] = [:]

  private init(host: consuming NetNSHandle, container: consuming NetNSHandle?, filter: HostFilter) {
    self.filter = GuardedFilter(filter)
    self.host = host
    self.container = container
    hostLock = nil
  }

  /// Opens one socket in each namespace.
  ///
  /// - Parameters:
  ///   - path: the container's namespace; `nil` for the host alone.
  ///   - peerPath: a namespace that is used in place of the host's, for a link between two containers.
  ///   - filter: the host's packet filter.
  /// - Returns: the kernel as seen from this process's namespace.
  /// - Throws: the kernel's error; EINVAL if a path is not a network namespace.
  public static func open(
    containerNamespace path: String?, peerPath: String? = nil, filter: HostFilter
  ) throws(KernelError) -> LiveKernel {
    let host = try NetNSHandle.open(peerPath)
    guard let path else { return LiveKernel(host: host, container: nil, filter: filter) }
    return LiveKernel(host: host, container: try NetNSHandle.open(path), filter: filter)
  }

  private mutating func clearCaches() {
    cachedLinks.removeAll()
    cachedAddresses.removeAll()
    cachedRoutes.removeAll()
  }

  /// Runs `body` as one step of the journal.
  mutating func recorded<Value: ~Copyable>(
    _ name: @autoclosure () -> String, _ body: (inout LiveKernel) throws(KernelError) -> Value
  ) throws(KernelError) -> Value {
    guard let journal else { return try body(&self) }
    return try journal.step(name()) { () throws(KernelError) in try body(&self) }
  }

  public mutating func lockHost(exclusively: Bool) throws(KernelError) {
    guard dryRun == nil else { return }
    clearCaches()
    hostLock = nil
    hostLock = try recorded("lock host \(exclusively ? "exclusively" : "shared")") { (_) throws(KernelError) in
      try Files.makeDirectories(StatePaths.run, mode: 0o700)
      let path = StatePaths.hostLock
      return try FileLock(.openLock(path), exclusively: exclusively, seconds: 30, doing: "lock \(path)")
    }
  }

  public mutating func unlockHost() { hostLock = nil }

  public mutating func link(_ name: InterfaceName, on netns: NetNS) throws(KernelError) -> LinkInfo? {
    try existingLink(name, on: netns) ?? dryRun?.link(name, on: netns)
  }

  /// The link with that name, without those that a dry run takes as made.
  mutating func existingLink(_ name: InterfaceName, on netns: NetNS) throws(KernelError) -> LinkInfo? {
    let key = LinkKey(name, on: netns)
    if let cached = cachedLinks[key] { return cached }
    var found = try withSocket(on: netns) { (socket) throws(KernelError) in try socket.link(name) }
    if netns == .host, let link = found, link.kind == "bridge" { found?.keepsMAC = try keepsMAC(link) }
    indices[key] = found?.index
    cachedLinks[key] = .some(found)
    return found
  }

  public mutating func link(index: Int32, on netns: NetNS) throws(KernelError) -> LinkInfo? {
    try withSocket(on: netns) { (socket) throws(KernelError) in try socket.link(index: index) }
  }

  public mutating func links(kind: String?, master: InterfaceName?, on netns: NetNS) throws(KernelError) -> [LinkInfo] {
    let index: Int32? = if let master { try index(of: master, on: netns, for: "list ports of the bridge") } else { nil }
    return try withSocket(on: netns) { (socket) throws(KernelError) in try socket.links(kind: kind, master: index) }
  }

  public mutating func allLinks(on netns: NetNS) throws(KernelError) -> [LinkInfo] {
    try withSocket(on: netns) { (socket) throws(KernelError) in try socket.links(kind: nil, master: nil) }
  }

  public mutating func vlans(of port: InterfaceName) throws(KernelError) -> PortVLANs {
    let operation = "list VLANs of \(port)"
    return try host.socket.vlans(of: index(of: port, on: .host, for: operation), doing: operation)
  }

  public mutating func addresses(of interface: InterfaceName, on netns: NetNS) throws(KernelError) -> [IPPrefix] {
    let key = LinkKey(interface, on: netns)
    if let cached = cachedAddresses[key] { return cached }
    let operation = "list addresses of \(interface)"
    let index = try index(of: interface, on: netns, for: operation)
    let found = try withSocket(on: netns) { (socket) throws(KernelError) in
      try socket.addresses(of: index, doing: operation)
    }
    cachedAddresses[key] = found
    return found
  }

  public mutating func routes(of interface: InterfaceName, on netns: NetNS) throws(KernelError) -> [RouteSpec] {
    let key = LinkKey(interface, on: netns)
    if let cached = cachedRoutes[key] { return cached }
    guard let link = try existingLink(interface, on: netns) else { throw missingLink(interface, "list routes") }
    let found = try withSocket(on: netns) { (socket) throws(KernelError) in try socket.routes(of: link, on: netns) }
    cachedRoutes[key] = found
    return found
  }

  public mutating func defaultRouteLink(_ family: IPFamily, on netns: NetNS) throws(KernelError) -> LinkInfo? {
    try withSocket(on: netns) { (socket) throws(KernelError) in
      guard let index = try socket.defaultRouteLink(family) else { return nil }
      return try socket.link(index: index)
    }
  }

  public mutating func linksWithAdvertisedRoutes() throws(KernelError) -> [InterfaceName] {
    var names: [InterfaceName] = []
    for index in try host.socket.linksWithAdvertisedRoutes() {
      if let link = try host.socket.link(index: index) { names.append(link.name) }
    }
    return names
  }

  public mutating func routedPrefixes(_ family: IPFamily) throws(KernelError) -> [IPPrefix] {
    try host.socket.routedPrefixes(family)
  }

  public mutating func outgoingLink(to address: IPAddress) throws(KernelError) -> LinkInfo? {
    if let planned = dryRun?.outgoingLink(to: address) { return try link(planned, on: .host) }
    guard let index = try host.socket.outgoingLinkIndex(to: address) else { return nil }
    return try host.socket.link(index: index)
  }

  public mutating func path(to address: IPAddress) throws(KernelError) -> RoutePath? {
    if let cached = cachedPaths[address] { return cached }
    let found = try host.socket.path(to: address, &cachedPathLinks)
    cachedPaths[address] = .some(found)
    return found
  }

  public mutating func isHostAddress(_ address: IPAddress) throws(KernelError) -> Bool {
    try host.socket.isLocal(address)
  }

  public mutating func hostRoutes(metric: Int) throws(KernelError) -> [RouteSpec] {
    try host.socket.routes(metric: metric)
  }

  public mutating func neighbours(of interface: InterfaceName) throws(KernelError) -> [NeighbourSpec] {
    guard let link = try existingLink(interface, on: .host) else { throw missingLink(interface, "list neighbours") }
    return try host.socket.neighbours(of: link)
  }

  public mutating func fdbEntries(of interface: InterfaceName) throws(KernelError) -> [FDBSpec] {
    guard let link = try existingLink(interface, on: .host) else {
      throw missingLink(interface, "list forwarding entries")
    }
    return try host.socket.fdbEntries(of: link)
  }

  public mutating func tunnelDigest(
    of device: InterfaceName, neighboursOn link: InterfaceName
  ) throws(KernelError) -> TunnelDigest {
    let operation = "list the entries of \(device)"
    guard let deviceLink = try existingLink(device, on: .host) else { throw missingLink(device, operation) }
    guard let neighbourLink = try existingLink(link, on: .host) else { throw missingLink(link, operation) }
    return try recorded(operation) { (kernel) throws(KernelError) in
      var digest = try kernel.host.socket.digest(TunnelDigest(), fdbEntriesOf: deviceLink)
      digest = try kernel.host.socket.digest(digest, neighboursOf: neighbourLink)
      return try kernel.host.socket.digest(digest, routesOf: deviceLink)
    }
  }

  public mutating func offloadsChecksums(_ interface: InterfaceName) throws(KernelError) -> Bool {
    try recorded("read checksum offload of \(interface)") { (kernel) throws(KernelError) in
      try kernel.enterNamespace(.host) { () throws(KernelError) in try ChecksumOffload.isOn(interface.description) }
    }
  }

  public mutating func listeners(
    _ transport: TransportProtocol, _ ports: Set<UInt16>
  ) throws(KernelError) -> [Listener] {
    try recorded("list listeners on \(ports.count) \(transport) ports") { (_) throws(KernelError) in
      try Netlink.listeners(transport, ports)
    }
  }

  public mutating func holders(ofSockets inodes: Set<UInt64>) throws(KernelError) -> [SocketHolder] {
    try recorded("find the processes of \(inodes.count) sockets") { (_) throws(KernelError) in
      try socketHolders(inodes)
    }
  }

  public mutating func sysctl(_ key: String, on netns: NetNS) throws(KernelError) -> String? {
    let found = try recorded("read sysctl \(key)") { (kernel) throws(KernelError) in
      try kernel.enterNamespace(netns) { () throws(KernelError) in try Sysctl(key, "").read() }
    }
    return found ?? (dryRun?.hasLink(of: key, on: netns) == true ? "" : nil)
  }

  public mutating func apply(_ change: Change) throws(KernelError) {
    guard dryRun == nil else { throw KernelError("\(change)", errno: .EPERM, reason: "CNI_PLAN=1 changes nothing") }
    try settle(change) { (kernel) throws(KernelError) in
      kernel.clearCaches()
      (kernel.cachedPaths, kernel.cachedPathLinks) = ([:], [:])
      defer { kernel.clearCaches() }
      try kernel.recorded("\(change)") { (kernel) throws(KernelError) in try kernel.carryOut(change) }
    }
  }

  mutating func carryOut(_ change: Change) throws(KernelError) {
    switch change {
    case .createLink(let spec): try create(spec, doing: "\(change)")
    case .deleteLink(let name, let netns): try deleteLink(name, on: netns, doing: "\(change)")
    case .deleteUnusedBridge(let name): try deleteUnusedBridge(name, doing: "\(change)")
    case .deleteUnroutedLink(let name): try deleteUnroutedLink(name, doing: "\(change)")
    case .changeLink(let name, let netns, let wanted): try changeLink(name, on: netns, wanted, doing: "\(change)")
    case .setVLANs(let vlans, let name): try set(vlans, on: name, change)
    case .awaitRunning(let name): try awaitRunning(name)
    case .awaitDAD(let name): try awaitDAD(name)
    case .awaitFDBRemoval(let spec): try awaitFDBRemoval(spec)
    case .addAddress(let spec): try add(spec, doing: "\(change)")
    case .deleteAddress(let spec):
      try perform(.delete(spec, index: linkIndex(spec.interface, spec.netns, change)), on: spec.netns)
    case .addRoute(let spec):
      try perform(.add(spec, index: linkIndex(spec.interface, spec.netns, change)), on: spec.netns)
    case .deleteRoute(let spec):
      try perform(.delete(spec, index: linkIndex(spec.interface, spec.netns, change)), on: spec.netns)
    case .setNeighbour(let spec):
      try perform(.set(spec, index: linkIndex(spec.interface, spec.netns, change)), on: spec.netns)
    case .deleteNeighbour(let spec): try deleteNeighbour(spec, doing: "\(change)")
    case .setFDB(let spec): try perform(.set(spec, index: linkIndex(spec.interface, .host, change)), on: .host)
    case .deleteFDB(let spec): try perform(.delete(spec, index: linkIndex(spec.interface, .host, change)), on: .host)
    case .setTunnelTables(let wanted): try setTunnelTables(wanted)
    case .updateTunnelTables(let update): try write(update.changes)
    case .setChecksumOffload(let name, let isOn):
      try enterNamespace(.host) { () throws(KernelError) in try ChecksumOffload.set(name.description, isOn: isOn) }
    case .setSysctls(let settings, let netns): try set(settings, on: netns)
    case .announce(_, let mac, let name): try announce(mac, on: name, doing: "\(change)")
    case .addLoopbackRoute(let name): try addLoopbackRoute(name, doing: "\(change)")
    case .enableRouteLocalnet, .disableRouteLocalnet: try setRouteLocalnet(change)
    case .deleteConntrackEntries(let connections): try host.socket.deleteConntrack(connections, doing: "\(change)")
    case .addRules, .setRules, .updateRules, .removeRules, .removeReferencePluginRules, .removeStaleRules:
      try changeRules(change)
    }
  }

  private mutating func changeRules(_ change: Change) throws(KernelError) {
    switch change {
    case .addRules(let ruleSet):
      try filter.add(ruleSet)
      try findNetworks(namedBy: ruleSet)
    case .setRules(let ruleSet): try filter.set(ruleSet)
    case .updateRules(let old, let new): try filter.set(new, after: old)
    case .removeRules(let owner, let role, let everywhere): try filter.remove(owner, role, everywhere: everywhere)
    case .removeReferencePluginRules(let owner, let role, let addresses, let zone):
      try filter.removeReferenceRules(of: owner, role, addresses: addresses, zone: zone)
    case .removeStaleRules(let network, let role, let valid, let everywhere):
      try filter.collectGarbage(network, role, valid: valid, everywhere: everywhere)
    default: break
    }
  }
}

extension LiveKernel where HostFilter == NoPacketFilter {
  /// Opens the kernel without a packet filter.
  public static func open(containerNamespace path: String?) throws(KernelError) -> LiveKernel {
    try open(containerNamespace: path, filter: NoPacketFilter())
  }
}

extension LiveKernel {
  func missingLink(_ name: InterfaceName, _ operation: String) -> KernelError {
    KernelError(errno: .ENODEV, doing: "\(operation): look up \(name)")
  }

  /// Runs `body` with the socket in the namespace of `netns`.
  func withSocket<Value>(
    on netns: NetNS, _ body: (borrowing NetlinkSocket) throws(KernelError) -> Value
  ) throws(KernelError) -> Value {
    guard netns == .container else { return try body(host.socket) }
    switch container {
    case let handle?: return try body(handle.socket)
    case nil: throw KernelError(errno: .ENOENT, doing: "use the container's network namespace")
    }
  }

  /// Runs `body` with this thread in the namespace of `netns`, for operations that need more than a socket.
  func enterNamespace<Value>(_ netns: NetNS, _ body: () throws(KernelError) -> Value) throws(KernelError) -> Value {
    guard netns == .container else { return try host.enter(body) }
    switch container {
    case let handle?: return try handle.enter(body)
    case nil: throw KernelError(errno: .ENOENT, doing: "enter the container's network namespace")
    }
  }

  var containerDescriptor: Int32? {
    switch container {
    case let handle?: handle.descriptor
    case nil: nil
    }
  }

  mutating func index(
    of name: InterfaceName, on netns: NetNS, for operation: @autoclosure () -> String
  ) throws(KernelError) -> Int32 {
    if let known = indices[LinkKey(name, on: netns)] { return known }
    guard let link = try existingLink(name, on: netns) else { throw missingLink(name, operation()) }
    return link.index
  }

  mutating func linkIndex(_ name: InterfaceName, _ netns: NetNS, _ change: Change) throws(KernelError) -> Int32 {
    try index(of: name, on: netns, for: "\(change)")
  }

  func perform(_ request: borrowing Request, on netns: NetNS) throws(KernelError) {
    try withSocket(on: netns) { (socket) throws(KernelError) in try socket.perform(request) }
  }
}
