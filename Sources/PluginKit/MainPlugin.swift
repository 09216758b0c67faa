public import CNI
public import Kernel
import Linux
public import NetTypes

/// A main plugin, which creates a container's interface: makes, checks and undoes the changes of its driver.
///
/// It is a `Plugin` if the settings follow from the configuration. Another plugin calls its functions as steps.
public struct MainPlugin<Driver: LinkDriver, Host: Kernel & ~Copyable> {
  public typealias Config = Driver.Config

  /// Reads what the link takes from the previous plugin's result; `nil` for a link that is added to that result.
  ///
  /// Throws code 7 if the result does not fit.
  public typealias ReadChainInput =
    (Config, Driver.Settings, AddResult) throws(CNIError) -> ChainInput<Driver.Settings>?

  public static var name: String { Driver.name }
  public static var namespaceRule: NamespaceRule { .container }
  public static var limitsConnections: Bool { Driver.limitsConnections }

  let driver: Driver
  let peer: (Config) -> PeerNamespace?
  let readChainInput: ReadChainInput
  private let openKernel: (NamespacePaths) throws(KernelError) -> Host

  /// - Parameters:
  ///   - driver: decides the changes.
  ///   - peerNamespace: another container's namespace that is used in place of the host's; `nil` for the host's.
  ///   - chainInput: reads what the link takes from the previous plugin.
  ///   - openKernel: opens the kernel with these namespaces.
  public init(
    _ driver: Driver, peerNamespace: @escaping (Config) -> PeerNamespace? = { _ in nil },
    chainInput: @escaping ReadChainInput = { (_, _, _) throws(CNIError) in nil },
    on openKernel: @escaping (NamespacePaths) throws(KernelError) -> Host
  ) {
    self.driver = driver
    peer = peerNamespace
    readChainInput = chainInput
    self.openKernel = openKernel
  }

  public func peerNamespace(_ config: Config) -> PeerNamespace? { peer(config) }

  func open(
    container path: String?, _ config: Config?, _ journal: Journal?, for call: Call<Config>? = nil
  ) throws(CNIError) -> Host {
    let namespaces = NamespacePaths(container: path, peerPath: config.flatMap(peer)?.path)
    var kernel = try convertingErrors { () throws(KernelError) in try openKernel(namespaces) }
    kernel.journal = journal
    kernel.dryRun = call?.dryRun(peerPath: namespaces.peerPath)
    return kernel
  }

  /// Opens the kernel for ADD.
  ///
  /// - Throws: code 104 if the container has an interface of that name already, before anything is published.
  public func begin(_ call: Call<Config>) throws(CNIError) -> Transaction<Host> {
    var transaction = Transaction(try open(container: call.namespacePath, call.config, call.journal, for: call))
    try checkInterfaceIsNew(call, on: &transaction.kernel)
    return transaction
  }

  /// Makes the attachment, then calls `commit`.
  ///
  /// - Parameters:
  ///   - call: the call of ADD.
  ///   - settings: the settings of its configuration.
  ///   - source: the source of the addresses.
  ///   - previous: the result to which this attachment's is appended.
  ///   - transaction: the changes so far.
  ///   - commit: gets the result.
  /// - Throws: any error, also that of `commit`; everything is rolled back then.
  public func attach(
    _ call: Call<Config>, _ settings: Driver.Settings, addresses source: AddressSource, after previous: AddResult?,
    in transaction: inout Transaction<Host>, commit: Commit
  ) throws(CNIError) {
    let addresses: AddResult
    switch source {
    case .ipam where call.delegates.ipam?.needsLink == true:
      return try addLinkFirst(call, settings, after: previous, in: &transaction, commit: commit)
    case .ipam(let input): addresses = try call.delegates.requestAddresses(input)
    case .previous(let own): addresses = own
    }
    do throws(CNIError) {
      let attached = try make(call, settings, addresses, in: &transaction)
      let result = try result(of: attached, after: previous, in: &transaction)
      // After changes to shared links the host lock is kept, because a rollback would undo them.
      if !attached.changedSharedLinks { transaction.kernel.unlockHost() }
      try commit(result)
    } catch {
      transaction.rollBackWithWarnings()
      call.delegates.releaseAddresses()
      throw error
    }
  }

  private func checkInterfaceIsNew(_ call: Call<Config>, on kernel: inout Host) throws(CNIError) {
    let name = call.owner.interface
    guard try convertingErrors({ () throws(KernelError) in try kernel.link(name, on: .container) }) != nil else {
      return
    }
    throw CNIError(
      .alreadyAttached, "CNI_IFNAME \(name): the container has an interface of that name already",
      details: "namespace \(call.namespacePath)")
  }

  /// Makes the planned changes for these addresses, except those that `before` has made.
  func make(
    _ call: Call<Config>, _ settings: Driver.Settings, _ addresses: AddResult,
    after before: MadeAttachment<Driver>? = nil,
    in transaction: inout Transaction<Host>
  ) throws(CNIError) -> MadeAttachment<Driver> {
    // Usually all shared links exist, so the shared lock is enough and other attachments need not wait.
    var exclusively = false, hasWaited = false
    for _ in 0..<10 {
      try convertingErrors { () throws(KernelError) in try transaction.kernel.lockHost(exclusively: exclusively) }
      let hostState =
        if let before { before.hostState } else {
          try readHostState(call, settings, addresses, at: &transaction.kernel)
        }
      try checkKernelHasIPv6(addresses, on: &transaction.kernel)
      let plan = try plan(call, settings, hostState, addresses)
      if !hasWaited, wait(for: plan.waits, in: &transaction) {
        hasWaited = true
        continue
      }
      let missing = try convertingErrors { () throws(KernelError) in try transaction.missing(of: plan.shared) }
      guard missing.isEmpty != exclusively else {
        exclusively.toggle()
        continue
      }
      let made = before?.plan.own ?? []
      let own = try convertingErrors { () throws(KernelError) in
        try ordered(plan.own, of: call.owner, on: &transaction.kernel)
      }
      call.plan(missing.isEmpty ? [] : ["# shared with other attachments:"])
      for change in missing { try transaction.make(change) }
      call.plan(["# \(call.owner.interface) of container \(call.owner.container):"])
      for change in own where !made.contains(change) { try transaction.make(change) }
      try noteLinks(call, settings, on: &transaction.kernel)
      return MadeAttachment(hostState: hostState, plan: plan, changedSharedLinks: exclusively)
    }
    throw CNIError(
      .tryAgainLater,
      "attach \(call.owner.interface): other processes changed the shared links, addresses or sysctls 10 times in a row"
    )
  }

  /// Waits without the host lock, so that other attachments can go on; an error of the kernel is only a warning.
  ///
  /// - Returns: whether it waited: the host may have changed in the meantime.
  private func wait(for waits: [Change], in transaction: inout Transaction<Host>) -> Bool {
    do throws(KernelError) {
      let pending = try transaction.missing(of: waits)
      guard !pending.isEmpty else { return false }
      transaction.kernel.unlockHost()
      for change in pending { try transaction.apply(change) }
    } catch { warn("attached without waiting: \(error)") }
    return true
  }

  /// The changes, with default routes in order with those of the container's other networks.
  private func ordered(
    _ changes: [Change], of owner: AttachmentID, on kernel: inout Host
  ) throws(KernelError) -> [Change] {
    guard changes.contains(where: { $0.addsDefaultRoute }) else { return changes }
    return changes.ordered(with: try kernel.defaultRoutes(except: owner.interface), of: owner.network)
  }

  /// The CNI result: `previous` with this attachment's result appended.
  func result(
    of attached: MadeAttachment<Driver>, after previous: AddResult?,
    in transaction: inout Transaction<Host>
  ) throws(CNIError) -> AddResult {
    let result = try convertingErrors { () throws(KernelError) in
      try observed(attached.plan.result, on: &transaction.kernel)
    }
    return previous.map(result.appended) ?? result
  }

  /// The result, with MAC addresses that the plan left open read from the kernel.
  private func observed(
    _ result: AddResult, on kernel: inout Host
  ) throws(KernelError) -> AddResult {
    var result = result
    for (index, interface) in result.interfaces.enumerated() where interface.mac == nil {
      guard let name = InterfaceName(interface.name) else { continue }
      let netns = interface.isInContainer(peerPath: nil) ? NetNS.container : .host
      result.interfaces[index].mac = try kernel.link(name, on: netns)?.mac?.description
    }
    return result
  }

  func readHostState(
    _ call: Call<Config>, _ settings: Driver.Settings, _ addresses: AddResult, at kernel: inout Host
  ) throws(CNIError) -> Driver.HostState {
    let families: Set<IPFamily> = addresses.ips.isEmpty ? [.v4, .v6] : Set(addresses.ips.map { $0.address.family })
    return try convertingErrors { () throws(KernelError) in
      try driver.readHostState(settings, owner: call.owner, families: families, at: &kernel)
    }
  }

  func plan(
    _ call: Call<Config>, _ settings: Driver.Settings, _ hostState: Driver.HostState, _ addresses: AddResult
  ) throws(CNIError) -> AttachmentPlan {
    try driver.plan(settings, hostState, owner: call.owner, namespacePath: call.namespacePath, addresses: addresses)
  }
}

extension MainPlugin: Plugin where Host: ~Copyable, Driver.Input == Driver.Config {
  public func checkSettings(_ call: Call<Config>) throws(CNIError) {
    _ = try driver.settings(call.config, call.keys, call.arguments())
  }

  public func add(_ call: Call<Config>, commit: Commit) throws(CNIError) {
    var transaction = try begin(call)
    let settings = try driver.settings(call.config, call.keys, call.arguments())
    guard let previous = call.previous, let input = try readChainInput(call.config, settings, previous) else {
      return try attach(
        call, settings, addresses: .ipam(input: nil), after: call.previous, in: &transaction, commit: commit)
    }
    try attach(
      call, input.settings, addresses: input.addresses.map { .previous($0) } ?? .ipam(input: nil), after: nil,
      in: &transaction, commit: commit)
  }

  public func check(_ call: Call<Config>) throws(CNIError) {
    var kernel = try open(call)
    try check(call, driver.settings(call.config, call.keys, call.arguments()), on: &kernel)
  }

  public func delete(_ removal: Removal<Config>) throws(CNIError) {
    try delete(
      removal, staleEntries: { (_) throws(KernelError) in [] }, withdraw: { () throws(CNIError) in })
  }

  public func collectGarbage(
    _ network: NetworkCall<Config>, valid: Set<ValidAttachments.Attachment>
  ) throws(CNIError) {
    try collectGarbage(network, valid: valid) { () throws(CNIError) in }
  }

  public func status(_ network: NetworkCall<Config>) throws(CNIError) {
    _ = try openForStatus(network)
    try network.delegates.forward(.status)
  }
}

/// The host state and the plan of an attachment that was made.
struct MadeAttachment<Driver: LinkDriver> {
  var hostState: Driver.HostState
  var plan: AttachmentPlan
  /// Whether shared links were changed, so that the host is locked exclusively.
  var changedSharedLinks: Bool
}

extension Transaction where K: ~Copyable {
  /// The ones of `changes` whose result is not on the host yet.
  fileprivate mutating func missing(of changes: [Change]) throws(KernelError) -> [Change] {
    var missing: [Change] = []
    for change in changes {
      var isMissing = try precedesLink(change)
      if !isMissing { isMissing = try !isMade(change, on: &kernel) }
      if isMissing { missing.append(change) }
    }
    return missing
  }

  /// Whether it sets sysctls that matter only before the link comes up, which CHECK ignores.
  private mutating func precedesLink(_ change: Change) throws(KernelError) -> Bool {
    guard case .setSysctls(let settings, let netns) = change else { return false }
    for name in Set(settings.filter { $0.isOptional }.compactMap { $0.interface }) {
      if try kernel.link(name, on: netns)?.isUp != true { return true }
    }
    return false
  }

  /// Makes one change.
  ///
  /// - Throws: code 7 if the kernel cannot reach a route's gateway, since the configuration is wrong then.
  fileprivate mutating func make(_ change: Change) throws(CNIError) {
    do throws(KernelError) { try apply(change) } catch {
      guard case .addRoute(let spec) = change, let gateway = spec.gateway, error.isBadRoute else {
        throw CNIError(error)
      }
      throw CNIError(
        .invalidNetworkConfig,
        "route \(spec.dst): gw \(gateway): \(spec.interface) has no route to this address: want a gateway that is reachable on this link",
        details: error.description)
    }
  }

  /// Rolls back every change; warns about changes that could not be undone.
  mutating func rollBackWithWarnings() {
    for leftover in rollBack() { warn("not rolled back: \(leftover)") }
  }
}

extension Delegates {
  /// Releases the requested addresses; warns if the IPAM plugin fails.
  func releaseAddresses() {
    do throws(CNIError) { try forward(.del) } catch { warn("not rolled back: \(error)") }
  }
}

extension KernelError {
  /// EINVAL, ENETUNREACH or EHOSTUNREACH: the kernel's errors for a route with a gateway that it cannot reach.
  fileprivate var isBadRoute: Bool { errno.isOne(of: .EINVAL, .ENETUNREACH, .EHOSTUNREACH) }
}

extension MainPlugin where Host: ~Copyable {
  /// ADD for an IPAM plugin that needs the link (DHCP): creates the link without addresses, then adds them.
  ///
  /// Both plans are computed from the same host state, so that the second one only adds the addresses to the first.
  func addLinkFirst(
    _ call: Call<Config>, _ settings: Driver.Settings, after previous: AddResult?,
    in transaction: inout Transaction<Host>, commit: Commit
  ) throws(CNIError) {
    do throws(CNIError) {
      let bare = try make(call, settings, AddResult(), in: &transaction)
      // Other attachments must not wait for a DHCP server that does not answer.
      transaction.kernel.unlockHost()
      let addresses = try call.delegates.requestAddresses()
      do throws(CNIError) {
        let whole = try make(call, settings, addresses, after: bare, in: &transaction)
        try commit(try result(of: whole, after: previous, in: &transaction))
      } catch {
        // As for DEL, the lease is released while the link still exists.
        call.delegates.releaseAddresses()
        throw error
      }
    } catch {
      transaction.rollBackWithWarnings()
      throw error
    }
  }
}

extension MainPlugin where Host: ~Copyable {
  /// Refuses IPv6 addresses on a kernel without IPv6.
  ///
  /// - Throws: code 7 if there is such an address.
  func checkKernelHasIPv6(_ addresses: AddResult, on kernel: inout Host) throws(CNIError) {
    guard let first = addresses.ips.first(where: { $0.address.family == .v6 }),
      try convertingErrors({ () throws(KernelError) in try kernel.hasIPv6() }) == false
    else { return }
    throw CNIError(.invalidNetworkConfig, "address \(first.address): \(noIPv6)")
  }

  /// Checks for STATUS that the kernel has IPv6 if the configuration has IPv6 addresses.
  ///
  /// - Throws: code 50 if it has not.
  func checkIPv6(_ network: NetworkCall<Config>, on kernel: inout Host) throws(CNIError) {
    guard let address = network.configuredIPv6,
      try !convertingErrors({ () throws(KernelError) in try kernel.hasIPv6() })
    else {
      return
    }
    throw CNIError(.notAvailable, "key \"ipam\": \"\(address)\": \(noIPv6)")
  }

  private var noIPv6: String { "this kernel runs without IPv6 (ipv6.disable=1): want only IPv4" }
}

extension Kernel where Self: ~Copyable {
  /// Whether the kernel has IPv6; with `disable_ipv6` set on links it still has, and the sysctls exist.
  fileprivate mutating func hasIPv6() throws(KernelError) -> Bool {
    try sysctl("net/ipv6/conf/all/forwarding", on: .host) != nil
  }
}

extension JSONReader {
  /// The first IPv6 address or subnet that the configuration itself has for containers.
  public var configuredIPv6: String? {
    guard let ipam = self["ipam"] else { return nil }
    return (["subnet", "ranges", "addresses"].compactMap { ipam[$0]?.value } as [JSONValue]).lazy
      .compactMap { $0.configuredIPv6 }.first
  }
}

extension JSONValue {
  fileprivate var configuredIPv6: String? {
    switch self {
    case .string(let text): text.contains(":") ? text : nil
    case .array(let values): values.lazy.compactMap { $0.configuredIPv6 }.first
    case .object: (member("subnet") ?? member("address")).flatMap { $0.1.configuredIPv6 }
    default: nil
    }
  }
}
