public import CNI
public import Kernel
public import NetTypes
import PacketFilter

/// A chained plugin: makes, checks and undoes the changes that its driver decides.
public struct ChainedPlugin<Driver: ChainDriver, Host: Kernel & ~Copyable>: Plugin {
  public typealias Config = Driver.Config

  public static var name: String { Driver.name }
  public static var namespaceRule: NamespaceRule { .any }
  public static var limitsConnections: Bool { Driver.limitsConnections }

  public static func partialConfig(_ configuration: JSONValue) -> Config? {
    Config.partialConfig(JSONReader(configuration))
  }

  private let driver: Driver
  private let openKernel: () throws(KernelError) -> Host

  /// - Parameters:
  ///   - driver: decides the changes.
  ///   - openKernel: opens the kernel with only the host's namespace.
  public init(_ driver: Driver, on openKernel: @escaping () throws(KernelError) -> Host) {
    self.driver = driver
    self.openKernel = openKernel
  }

  private func open(_ journal: Journal?) throws(CNIError) -> Host {
    var kernel = try convertingErrors { () throws(KernelError) in try openKernel() }
    kernel.journal = journal
    return kernel
  }

  public func checkSettings(_ call: Call<Config>) throws(CNIError) { _ = try driver.settings(call) }

  public func add(_ call: Call<Config>, commit: Commit) throws(CNIError) {
    let settings = try driver.settings(call)
    guard call.config.nestedPlugin != nil || call.previous != nil else { throw notChained }
    // Opened first: an error here leaves nothing of a delegate.
    var transaction = Transaction(try open(call.journal))
    var call = call
    let nestedPlugin = try call.config.nestedPlugin.map { (nestedPlugin) throws(CNIError) in
      try call.delegates.run(nestedPlugin, .add)
    }
    call.previous = nestedPlugin ?? call.previous
    transaction.kernel.dryRun = call.dryRun()
    do throws(CNIError) {
      guard let previous = call.previous else { throw notChained }
      let plan = try driver.plan(settings, owner: call.owner, previous: previous, on: &transaction.kernel)
      do throws(KernelError) {
        for change in plan.changes { try transaction.apply(change) }
        try noteLinks(of: previous, call.owner.network, on: &transaction.kernel)
      } catch { throw CNIError(error) }
      // Unlocked before the write: a runtime that does not read its pipe must not block other plugin processes.
      transaction.kernel.filter.unlock()
      try commit(plan.result)
    } catch {
      let leftovers = transaction.rollBack()
      transaction.kernel.filter.unlock()
      for leftover in leftovers { warn("not rolled back: \(leftover)") }
      if let nestedPlugin = call.config.nestedPlugin {
        do throws(CNIError) { _ = try call.delegates.run(nestedPlugin, .del) } catch {
          warn("not rolled back: \(error)")
        }
      }
      throw error
    }
  }

  /// For policies of other networks that name this one, whose main plugin may be the reference's.
  private func noteLinks(of previous: AddResult, _ network: NetworkName, on kernel: inout Host) throws(KernelError) {
    guard try kernel.filter.wantsLinks(of: network) else { return }
    let links = try driver.networkLinks(of: previous, on: &kernel)
    if !links.isEmpty { try kernel.filter.note(links, of: network) }
  }

  private var notChained: CNIError {
    CNIError(.invalidNetworkConfig, "missing prevResult: \(Driver.name) must be called as chained plugin")
  }

  public func check(_ call: Call<Config>) throws(CNIError) {
    let settings = try driver.settings(call)
    var problems: [CNIError] = []
    attempt(&problems) { () throws(CNIError) in
      if let nestedPlugin = call.config.nestedPlugin { _ = try call.delegates.run(nestedPlugin, .check) }
    }
    attempt(&problems) { () throws(CNIError) in
      let found = try findDifferences(call, settings)
      guard !found.isEmpty else { return }
      let all = found.joined(separator: "; ")
      throw CNIError(.differences, "\(call.owner.interface) is not as ADD left it: \(all)")
    }
    if let error = CNIError(joining: problems) { throw error }
  }

  private func findDifferences(_ call: Call<Config>, _ settings: Driver.Settings) throws(CNIError) -> [String] {
    var kernel = try open(call.journal)
    let expected = try driver.expectation(
      settings, owner: call.owner, previous: call.previous ?? AddResult(), on: &kernel)
    do throws(KernelError) {
      var found: [String] = []
      for change in expected { found += try differences(from: change, on: &kernel) }
      return found
    } catch { throw CNIError(error) }
  }

  public func delete(_ removal: Removal<Config>) throws(CNIError) {
    var problems: [CNIError] = []
    attempt(&problems) { () throws(CNIError) in
      var kernel = try open(removal.journal)
      let changes = try convertingErrors { () throws(KernelError) in
        try driver.removal(of: removal.owner, removal.config, after: removal.previous, on: &kernel)
      }
      try kernel.applyAll(changes)
    }
    // Releases the address last: a new container with this address must not get packets meant for the old one.
    if let nestedPlugin = removal.config?.nestedPlugin {
      attempt(&problems) { () throws(CNIError) in _ = try removal.delegates.run(nestedPlugin, .del) }
    }
    if let error = CNIError(joining: problems) { throw error }
  }

  public func collectGarbage(
    _ network: NetworkCall<Config>, valid: Set<ValidAttachments.Attachment>
  ) throws(CNIError) {
    var problems: [CNIError] = []
    attempt(&problems) { () throws(CNIError) in
      var kernel = try open(network.journal)
      let owners = valid.owners(on: network.name)
      let garbage = try convertingErrors { () throws(KernelError) in
        try driver.garbage(of: network.name, network.config, valid: owners, on: &kernel)
      }
      try kernel.applyAll(garbage)
    }
    if let nestedPlugin = network.config.nestedPlugin {
      attempt(&problems) { () throws(CNIError) in _ = try network.delegates.run(nestedPlugin, .gc) }
    }
    if let error = CNIError(joining: problems) { throw error }
  }

  public func status(_ network: NetworkCall<Config>) throws(CNIError) {
    var kernel = try open(network.journal)
    if let obstacle = try convertingErrors({ () throws(KernelError) in try driver.obstacle(network.config, on: &kernel)
    }) {
      throw CNIError(.notAvailable, obstacle)
    }
    if let nestedPlugin = network.config.nestedPlugin { _ = try network.delegates.run(nestedPlugin, .status) }
  }
}

/// Runs `body` and appends its error to `problems`.
public func attempt(_ problems: inout [CNIError], _ body: () throws(CNIError) -> Void) {
  do throws(CNIError) { try body() } catch { problems.append(error) }
}

extension Kernel where Self: ~Copyable {
  /// Makes every change, and continues after errors.
  ///
  /// If `route_localnet` could not be reset, the rules stay, because one of them guards 127.0.0.0/8; and if a link could not
  /// be removed or taken down, because they may limit its connections; and if an address could not be removed, because
  /// their record names it.
  ///
  /// - Parameters:
  ///   - changes: the changes, rules after links.
  ///   - keepsRules: whether another link could not be removed.
  /// - Throws: all failures as one.
  mutating func applyAll(_ changes: [Change], keepsRules: Bool = false) throws(CNIError) {
    var problems: [CNIError] = []
    var keepsRules = keepsRules
    for change in changes where !(keepsRules && change.removesRules) {
      do throws(KernelError) { try apply(change) } catch {
        problems.append(CNIError(error))
        switch change {
        case .disableRouteLocalnet, .deleteLink, .changeLink, .deleteAddress: keepsRules = true
        default: break
        }
      }
    }
    if let error = CNIError(joining: problems) { throw error }
  }
}
