import Attachment
public import CNI
public import Kernel
import Linux
import NetTypes

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

  func open(
    container path: String?, _ config: Config?, _ journal: Journal?
  ) throws(CNIError) -> TracingKernel<Host> {
    let namespaces = Namespaces(container: path, outside: config.flatMap(driver.outside))
    return TracingKernel(
      try translating { () throws(KernelError) in try openKernel(namespaces) }, journal: journal)
  }

  public func add(_ call: Call<Config>, commit: Commit) throws(CNIError) {
    let inherited = try call.previous.flatMap { (previous) throws(CNIError) in
      try driver.inheritance(call.config, previous)
    }
    let config = inherited?.config ?? call.config
    let settings = try driver.settings(config, call.keys, call.arguments())
    var transaction = Transaction(try open(container: call.namespacePath, call.config, call.journal))
    try refuseSecondInterface(call, on: &transaction.kernel)
    let addresses = if let own = inherited?.addresses { own } else { try call.delegates.requestAddresses() }
    do throws(CNIError) {
      var result = try attach(call, settings, addresses, in: &transaction)
      if let previous = call.previous, inherited == nil { result = result.appended(to: previous) }
      try commit(result)
    } catch {
      for leftover in transaction.rollBack() { warn("not taken back: \(leftover)") }
      do throws(CNIError) { try call.delegates.forward(.del) } catch { warn("not taken back: \(error)") }
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

  private func attach(
    _ call: Call<Config>, _ settings: Driver.Settings, _ addresses: AddResult,
    in transaction: inout Transaction<TracingKernel<Host>>
  ) throws(CNIError) -> AddResult {
    // Most attachments find what they share in place and need nobody else to wait.
    var exclusively = false
    for _ in 0..<10 {
      try translating { () throws(KernelError) in try transaction.kernel.lockHost(exclusively: exclusively) }
      let plan = try plan(call, settings, addresses, on: &transaction.kernel)
      do throws(KernelError) {
        let missing = try transaction.missing(of: plan.shared)
        guard missing.isEmpty != exclusively else {
          exclusively.toggle()
          continue
        }
        for change in missing + plan.own { try transaction.apply(change) }
        return try observed(plan.result, on: &transaction.kernel)
      } catch { throw CNIError(error) }
    }
    throw CNIError(.tryAgainLater, "attach \(call.owner.interface): what is shared keeps changing")
  }

  /// The result with the hardware addresses that nobody decided.
  private func observed(
    _ result: AddResult, on kernel: inout TracingKernel<Host>
  ) throws(KernelError) -> AddResult {
    var result = result
    for (index, interface) in result.interfaces.enumerated() where interface.mac == nil {
      guard let name = InterfaceName(interface.name) else { continue }
      result.interfaces[index].mac = try kernel.link(name, on: interface.isInside ? .container : .host)?.mac?
        .description
    }
    return result
  }

  func plan(
    _ call: Call<Config>, _ settings: Driver.Settings, _ addresses: AddResult, on kernel: inout TracingKernel<Host>
  ) throws(CNIError) -> AttachmentPlan {
    let facts = try translating { () throws(KernelError) in try driver.look(settings, owner: call.owner, at: &kernel) }
    return try driver.plan(
      settings, facts, owner: call.owner, namespacePath: call.namespacePath, addresses: addresses)
  }
}

extension Transaction where K: ~Copyable {
  /// Those of `changes` that would change something.
  fileprivate mutating func missing(of changes: [Change]) throws(KernelError) -> [Change] {
    var missing: [Change] = []
    for change in changes where try !differences(from: change, on: &kernel).isEmpty { missing.append(change) }
    return missing
  }
}

extension CNIError {
  /// What the kernel refused: code 11 where trying again may help, else code 100.
  public init(_ error: KernelError) {
    self.init(error.isTryAgain ? .tryAgainLater : .kernelRefused, error.description, details: "errno \(error.errno)")
  }
}

/// Runs `body`, its errors as the specification reports them.
public func translating<Value: ~Copyable>(_ body: () throws(KernelError) -> Value) throws(CNIError) -> Value {
  do throws(KernelError) { return try body() } catch { throw CNIError(error) }
}
