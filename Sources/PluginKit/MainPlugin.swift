public import CNI
public import Kernel
import Linux
public import NetTypes

/// A plugin that makes a container's interface: what its driver decides, this carries out.
public struct MainPlugin<Driver: LinkDriver, Host: Kernel & ~Copyable>: Plugin {
  public typealias Config = Driver.Config

  public static var name: String { Driver.name }
  public static var namespaceRule: NamespaceRule { .container }

  let driver: Driver
  private let openKernel: (Namespaces) throws(KernelError) -> Host

  /// - Parameters:
  ///   - driver: what to make.
  ///   - openKernel: opens the kernel with these namespaces.
  public init(_ driver: Driver, on openKernel: @escaping (Namespaces) throws(KernelError) -> Host) {
    self.driver = driver
    self.openKernel = openKernel
  }

  public func outside(_ config: Config) -> OutsideNamespace? { driver.outside(config) }

  func open(
    container path: String?, _ config: Config?, _ journal: Journal?
  ) throws(CNIError) -> TracingKernel<Host> {
    let namespaces = Namespaces(container: path, outside: config.flatMap(driver.outside)?.path)
    return TracingKernel(
      try translating { () throws(KernelError) in try openKernel(namespaces) }, journal: journal)
  }

  public func checkSettings(_ call: Call<Config>) throws(CNIError) {
    _ = try driver.settings(driver.assumed(call.config), call.keys, call.arguments())
  }

  public func add(_ call: Call<Config>, commit: Commit) throws(CNIError) {
    let inherited = try call.previous.flatMap { (previous) throws(CNIError) in
      try driver.inheritance(call.config, previous)
    }
    var transaction = Transaction(try open(container: call.namespacePath, call.config, call.journal))
    // Before anything is published to other hosts.
    try refuseSecondInterface(call, on: &transaction.kernel)
    let config = try driver.consult(
      inherited?.config ?? call.config, of: call.owner.network, for: .add, on: &transaction.kernel)
    let settings = try driver.settings(config, call.keys, call.arguments())
    let previous = inherited == nil ? call.previous : nil
    if inherited?.addresses == nil, call.delegates.ipam?.needsLink == true {
      return try addLinkFirst(call, settings, after: previous, in: &transaction, commit: commit)
    }
    let addresses =
      if let own = inherited?.addresses { own } else {
        try call.delegates.requestAddresses(driver.addressConfiguration(config))
      }
    do throws(CNIError) {
      let attached = try attach(call, settings, addresses, in: &transaction)
      let result = try result(of: attached, after: previous, in: &transaction)
      // Who made what others rely on goes on holding the lock: it may be taken back.
      if !attached.madeShared { transaction.kernel.unlockHost() }
      try publish(config, call.owner, attached.plan.result) { () throws(CNIError) in try commit(result) }
    } catch {
      transaction.takeBack()
      call.delegates.takeBackAddresses()
      throw error
    }
  }

  /// Tells others of the attachment and then writes the result; where either fails, nobody has been told.
  private func publish(
    _ config: Config, _ owner: Owner, _ result: AddResult, then commit: () throws(CNIError) -> Void
  ) throws(CNIError) {
    do throws(CNIError) {
      try driver.publish(config, owner, result)
      try commit()
    } catch {
      do throws(CNIError) { try driver.withdraw(config, owner) } catch { warn("not taken back: \(error)") }
      throw error
    }
  }

  private func refuseSecondInterface(_ call: Call<Config>, on kernel: inout TracingKernel<Host>) throws(CNIError) {
    let name = call.owner.interface
    guard try translating({ () throws(KernelError) in try kernel.link(name, on: .container) }) != nil else { return }
    throw CNIError(
      .alreadyAttached, "CNI_IFNAME \(name): the container has an interface of that name already",
      details: "namespace \(call.namespacePath)")
  }

  /// Makes what is planned for these addresses, as far as `before` has not made it.
  func attach(
    _ call: Call<Config>, _ settings: Driver.Settings, _ addresses: AddResult, after before: Attached<Driver>? = nil,
    in transaction: inout Transaction<TracingKernel<Host>>
  ) throws(CNIError) -> Attached<Driver> {
    // Most attachments find what they share in place and need nobody else to wait.
    var exclusively = false, hasWaited = false
    for _ in 0..<10 {
      try translating { () throws(KernelError) in try transaction.kernel.lockHost(exclusively: exclusively) }
      let facts = if let before { before.facts } else { try look(call, settings, at: &transaction.kernel) }
      try refuseIPv6(addresses, on: &transaction.kernel)
      let plan = try plan(call, settings, facts, addresses)
      if !hasWaited, wait(for: plan.waits, in: &transaction) {
        hasWaited = true
        continue
      }
      let missing = try translating { () throws(KernelError) in try transaction.missing(of: plan.shared) }
      guard missing.isEmpty != exclusively else {
        exclusively.toggle()
        continue
      }
      let made = before?.plan.own ?? []
      let own = try translating { () throws(KernelError) in
        try ordered(plan.own, of: call.owner, on: &transaction.kernel)
      }
      for change in missing + own.filter({ !made.contains($0) }) { try transaction.make(change) }
      return Attached(facts: facts, plan: plan, madeShared: exclusively)
    }
    throw CNIError(.tryAgainLater, "attach \(call.owner.interface): what is shared keeps changing")
  }

  /// Waits without the host's lock, so that other attachments go on; warns if the kernel refuses to look.
  ///
  /// - Returns: whether it waited: the host may have changed meanwhile.
  private func wait(for waits: [Change], in transaction: inout Transaction<TracingKernel<Host>>) -> Bool {
    do throws(KernelError) {
      let pending = try transaction.missing(of: waits)
      guard !pending.isEmpty else { return false }
      transaction.kernel.unlockHost()
      for change in pending { try transaction.apply(change) }
    } catch { warn("attached without waiting: \(error)") }
    return true
  }

  /// With default routes in order with those of the container's other networks.
  private func ordered(
    _ changes: [Change], of owner: Owner, on kernel: inout TracingKernel<Host>
  ) throws(KernelError) -> [Change] {
    guard changes.contains(where: \.addsDefaultRoute) else { return changes }
    return changes.ordered(with: try kernel.defaultRoutes(besides: owner.interface), of: owner.network)
  }

  /// What to answer, behind what the plugins before this one made.
  func result(
    of attached: Attached<Driver>, after previous: AddResult?, in transaction: inout Transaction<TracingKernel<Host>>
  ) throws(CNIError) -> AddResult {
    let result = try translating { () throws(KernelError) in
      try observed(attached.plan.result, on: &transaction.kernel)
    }
    return previous.map(result.appended) ?? result
  }

  /// The result with the hardware addresses that nobody decided.
  private func observed(
    _ result: AddResult, on kernel: inout TracingKernel<Host>
  ) throws(KernelError) -> AddResult {
    var result = result
    for (index, interface) in result.interfaces.enumerated() where interface.mac == nil {
      guard let name = InterfaceName(interface.name) else { continue }
      let side = interface.isInside(outside: nil) ? Side.container : .host
      result.interfaces[index].mac = try kernel.link(name, on: side)?.mac?.description
    }
    return result
  }

  func look(
    _ call: Call<Config>, _ settings: Driver.Settings, at kernel: inout TracingKernel<Host>
  ) throws(CNIError) -> Driver.Facts {
    try translating { () throws(KernelError) in try driver.look(settings, owner: call.owner, at: &kernel) }
  }

  func plan(
    _ call: Call<Config>, _ settings: Driver.Settings, _ facts: Driver.Facts, _ addresses: AddResult
  ) throws(CNIError) -> AttachmentPlan {
    try driver.plan(settings, facts, owner: call.owner, namespacePath: call.namespacePath, addresses: addresses)
  }
}

/// What an attachment was planned from, and the plan that was carried out.
struct Attached<Driver: LinkDriver> {
  var facts: Driver.Facts
  var plan: AttachmentPlan
  /// Whether something was missing that others rely on as well, so that the host is locked for this one alone.
  var madeShared: Bool
}

extension Transaction where K: ~Copyable {
  /// Those of `changes` that would change something.
  fileprivate mutating func missing(of changes: [Change]) throws(KernelError) -> [Change] {
    var missing: [Change] = []
    for change in changes {
      var isMissing = try precedesLink(change)
      if !isMissing { isMissing = try !differences(from: change, on: &kernel).isEmpty }
      if isMissing { missing.append(change) }
    }
    return missing
  }

  /// Whether it is a setting that only matters before the link comes up, which CHECK ignores.
  private mutating func precedesLink(_ change: Change) throws(KernelError) -> Bool {
    guard case .setSysctls(let settings, let side) = change else { return false }
    for name in Set(settings.filter(\.isOptional).compactMap(\.interface)) {
      if try kernel.link(name, on: side)?.isUp != true { return true }
    }
    return false
  }

  /// - Throws: code 7 where the kernel finds no way to a gateway: that is the configuration's fault.
  fileprivate mutating func make(_ change: Change) throws(CNIError) {
    do throws(KernelError) { try apply(change) } catch {
      guard case .addRoute(let spec) = change, let gateway = spec.gateway, error.isBadRoute else {
        throw CNIError(error)
      }
      throw CNIError(
        .invalidNetworkConfig,
        "route \(spec.dst): gw \(gateway): \(spec.interface) reaches no router of that address: want one that it does",
        details: error.description)
    }
  }

  /// Takes back every change; warns of what stays.
  mutating func takeBack() {
    for leftover in rollBack() { warn("not taken back: \(leftover)") }
  }
}

extension Delegates {
  /// Returns the addresses that were requested; warns where the IPAM plugin refuses.
  func takeBackAddresses() {
    do throws(CNIError) { try forward(.del) } catch { warn("not taken back: \(error)") }
  }
}

extension KernelError {
  /// EINVAL, ENETUNREACH, EHOSTUNREACH: what the kernel answers to a route by a gateway that it does not reach.
  fileprivate var isBadRoute: Bool { errno.isOne(of: .EINVAL, .ENETUNREACH, .EHOSTUNREACH) }
}
