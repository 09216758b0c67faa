public import CNI
public import Kernel
import Linux
public import NetTypes

/// A main plugin, which creates a container's interface: makes, checks and undoes the changes of its driver.
public struct MainPlugin<Driver: LinkDriver, Host: Kernel & ~Copyable>: Plugin {
  public typealias Config = Driver.Config

  public static var name: String { Driver.name }
  public static var namespaceRule: NamespaceRule { .container }

  let driver: Driver
  private let openKernel: (NamespacePaths) throws(KernelError) -> Host

  /// - Parameters:
  ///   - driver: decides the changes.
  ///   - openKernel: opens the kernel with these namespaces.
  public init(_ driver: Driver, on openKernel: @escaping (NamespacePaths) throws(KernelError) -> Host) {
    self.driver = driver
    self.openKernel = openKernel
  }

  public func peerNamespace(_ config: Config) -> PeerNamespace? { driver.peerNamespace(config) }

  func open(
    container path: String?, _ config: Config?, _ journal: Journal?, for call: Call<Config>? = nil
  ) throws(CNIError) -> TracingKernel<Host> {
    let namespaces = NamespacePaths(container: path, peerPath: config.flatMap(driver.peerNamespace)?.path)
    return TracingKernel(
      try convertingErrors { () throws(KernelError) in try openKernel(namespaces) }, journal: journal,
      dryRun: call?.dryRun(peerPath: namespaces.peerPath))
  }

  public func checkSettings(_ call: Call<Config>) throws(CNIError) {
    _ = try driver.settings(driver.withPlaceholderData(call.config), call.keys, call.arguments())
  }

  public func add(_ call: Call<Config>, commit: Commit) throws(CNIError) {
    let inherited = try call.previous.flatMap { (previous) throws(CNIError) in
      try driver.chainInput(call.config, previous)
    }
    var transaction = Transaction(try open(container: call.namespacePath, call.config, call.journal, for: call))
    // Checked before anything is published to other hosts.
    try checkInterfaceIsNew(call, on: &transaction.kernel)
    let config = try driver.withControlPlaneData(
      inherited?.config ?? call.config, of: call.owner.network, for: call.isDryRun ? .check : .add,
      on: &transaction.kernel)
    let settings = try driver.settings(config, call.keys, call.arguments())
    let previous = inherited == nil ? call.previous : nil
    if inherited?.addresses == nil, call.delegates.ipam?.needsLink == true {
      return try addLinkFirst(call, settings, after: previous, in: &transaction, commit: commit)
    }
    let addresses =
      if let own = inherited?.addresses { own } else {
        try call.delegates.requestAddresses(driver.ipamInput(config))
      }
    do throws(CNIError) {
      let attached = try attach(call, settings, addresses, in: &transaction)
      let result = try result(of: attached, after: previous, in: &transaction)
      // After changes to shared links the host lock is kept, because a rollback would undo them.
      if !attached.changedSharedLinks { transaction.kernel.unlockHost() }
      guard !call.isDryRun else { return try commit(result) }
      try publish(config, call.owner, attached.plan.result) { () throws(CNIError) in try commit(result) }
    } catch {
      transaction.rollBackWithWarnings()
      call.delegates.releaseAddresses()
      throw error
    }
  }

  /// Publishes the attachment to other hosts and writes the result; if either fails, undoes the publishing.
  private func publish(
    _ config: Config, _ owner: AttachmentID, _ result: AddResult, then commit: () throws(CNIError) -> Void
  ) throws(CNIError) {
    do throws(CNIError) {
      try driver.publish(config, owner, result)
      try commit()
    } catch {
      do throws(CNIError) { try driver.withdraw(config, owner) } catch { warn("not rolled back: \(error)") }
      throw error
    }
  }

  private func checkInterfaceIsNew(_ call: Call<Config>, on kernel: inout TracingKernel<Host>) throws(CNIError) {
    let name = call.owner.interface
    guard try convertingErrors({ () throws(KernelError) in try kernel.link(name, on: .container) }) != nil else {
      return
    }
    throw CNIError(
      .alreadyAttached, "CNI_IFNAME \(name): the container has an interface of that name already",
      details: "namespace \(call.namespacePath)")
  }

  /// Makes the planned changes for these addresses, except those that `before` has made.
  func attach(
    _ call: Call<Config>, _ settings: Driver.Settings, _ addresses: AddResult,
    after before: MadeAttachment<Driver>? = nil,
    in transaction: inout Transaction<TracingKernel<Host>>
  ) throws(CNIError) -> MadeAttachment<Driver> {
    // Usually all shared links exist, so the shared lock is enough and other attachments need not wait.
    var exclusively = false, hasWaited = false
    for _ in 0..<10 {
      try convertingErrors { () throws(KernelError) in try transaction.kernel.lockHost(exclusively: exclusively) }
      let hostState =
        if let before { before.hostState } else { try readHostState(call, settings, at: &transaction.kernel) }
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
  private func wait(for waits: [Change], in transaction: inout Transaction<TracingKernel<Host>>) -> Bool {
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
    _ changes: [Change], of owner: AttachmentID, on kernel: inout TracingKernel<Host>
  ) throws(KernelError) -> [Change] {
    guard changes.contains(where: \.addsDefaultRoute) else { return changes }
    return changes.ordered(with: try kernel.defaultRoutes(except: owner.interface), of: owner.network)
  }

  /// The CNI result: `previous` with this attachment's result appended.
  func result(
    of attached: MadeAttachment<Driver>, after previous: AddResult?,
    in transaction: inout Transaction<TracingKernel<Host>>
  ) throws(CNIError) -> AddResult {
    let result = try convertingErrors { () throws(KernelError) in
      try observed(attached.plan.result, on: &transaction.kernel)
    }
    return previous.map(result.appended) ?? result
  }

  /// The result, with MAC addresses that the plan left open read from the kernel.
  private func observed(
    _ result: AddResult, on kernel: inout TracingKernel<Host>
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
    _ call: Call<Config>, _ settings: Driver.Settings, at kernel: inout TracingKernel<Host>
  ) throws(CNIError) -> Driver.HostState {
    try convertingErrors { () throws(KernelError) in try driver.readHostState(settings, owner: call.owner, at: &kernel)
    }
  }

  func plan(
    _ call: Call<Config>, _ settings: Driver.Settings, _ hostState: Driver.HostState, _ addresses: AddResult
  ) throws(CNIError) -> AttachmentPlan {
    try driver.plan(settings, hostState, owner: call.owner, namespacePath: call.namespacePath, addresses: addresses)
  }
}

/// The facts and the plan of an attachment that was made.
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
      if !isMissing { isMissing = try !differences(from: change, on: &kernel).isEmpty }
      if isMissing { missing.append(change) }
    }
    return missing
  }

  /// Whether it sets sysctls that matter only before the link comes up, which CHECK ignores.
  private mutating func precedesLink(_ change: Change) throws(KernelError) -> Bool {
    guard case .setSysctls(let settings, let netns) = change else { return false }
    for name in Set(settings.filter(\.isOptional).compactMap(\.interface)) {
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
  /// Both plans are computed from the same facts, so that the second one only adds the addresses to the first.
  func addLinkFirst(
    _ call: Call<Config>, _ settings: Driver.Settings, after previous: AddResult?,
    in transaction: inout Transaction<TracingKernel<Host>>, commit: Commit
  ) throws(CNIError) {
    do throws(CNIError) {
      let bare = try attach(call, settings, AddResult(), in: &transaction)
      // Other attachments must not wait for a DHCP server that does not answer.
      transaction.kernel.unlockHost()
      let addresses = try call.delegates.requestAddresses()
      do throws(CNIError) {
        let whole = try attach(call, settings, addresses, after: bare, in: &transaction)
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
  func checkKernelHasIPv6(_ addresses: AddResult, on kernel: inout TracingKernel<Host>) throws(CNIError) {
    guard let first = addresses.ips.first(where: { $0.address.family == .v6 }),
      try convertingErrors({ () throws(KernelError) in try kernel.hasIPv6() }) == false
    else { return }
    throw CNIError(.invalidNetworkConfig, "address \(first.address): \(noIPv6)")
  }

  /// Checks for STATUS that the kernel has IPv6 if the configuration has IPv6 addresses.
  ///
  /// - Throws: code 50 if it has not.
  func checkIPv6(_ network: NetworkCall<Config>, on kernel: inout TracingKernel<Host>) throws(CNIError) {
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
      .compactMap(\.configuredIPv6).first
  }
}

extension JSONValue {
  fileprivate var configuredIPv6: String? {
    switch self {
    case .string(let text): text.contains(":") ? text : nil
    case .array(let values): values.lazy.compactMap(\.configuredIPv6).first
    case .object: (member("subnet") ?? member("address")).flatMap { $0.1.configuredIPv6 }
    default: nil
    }
  }
}
