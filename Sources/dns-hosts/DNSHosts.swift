import CNI
import Kernel
import NameDisk
import Names
import PluginKit

/// Lets the containers of a network find each other by name, in files alone.
struct DNSHosts: Plugin {
  typealias Config = DNSHostsConfig

  static var name: String { "dns-hosts" }
  static var namespaceRule: NamespaceRule { .any }
  static var refusesRepeatedKeys: Bool { true }

  static func salvage(_ configuration: JSONValue) -> Config? { Config(salvaging: JSONReader(configuration)) }

  /// Told each change before it is made; what it throws keeps it from being made.
  let willChange: (String) throws(KernelError) -> Void

  init(willChange: @escaping (String) throws(KernelError) -> Void = { _ throws(KernelError) in }) {
    self.willChange = willChange
  }

  func add(_ call: Call<Config>, commit: Commit) throws(CNIError) {
    let settings = try DNSHostsSettings(call)
    guard call.config.inner != nil || call.previous != nil else {
      throw CNIError(.invalidNetworkConfig, "missing prevResult: dns-hosts must be called as chained plugin")
    }
    let inner = try call.config.inner.map { (inner) throws(CNIError) in try call.delegates.run(inner, .add) }
    do throws(CNIError) {
      try join(settings, inner ?? call.previous ?? AddResult(), call.config, commit)
    } catch {
      if let inner = call.config.inner {
        do throws(CNIError) { try call.delegates.run(inner, .del) } catch { warn("not taken back: \(error)") }
      }
      throw error
    }
  }

  private func join(
    _ settings: DNSHostsSettings, _ previous: AddResult, _ config: Config, _ commit: Commit
  ) throws(CNIError) {
    guard let names = try lock(settings.owner.network, config.stateDir, making: true) else { return }
    let member = settings.member(previous)
    let files = texts(config.stateDir)
    do throws(CNIError) {
      try translating { () throws(KernelError) in try names.join(member, settings.wish(for: member)) }
      var result = previous
      result.dns = try write(settings.texts, of: member, previous.dns, files)
      try commit(result)
    } catch {
      for leftover in files.remove(settings.owner) { warn("not taken back: \(leftover)") }
      for leftover in names.leave(settings.owner) { warn("not taken back: \(leftover)") }
      throw error
    }
  }

  /// - Throws: code 11 where others hold the network too long.
  func lock(_ network: NetworkName, _ stateDir: String, making: Bool) throws(CNIError) -> NetworkNames? {
    try translating { () throws(KernelError) in
      try NetworkNames.lock(
        network, in: StateDirectory(stateDir), making: making, warn: { warn($0) }, willChange: willChange)
    }
  }

  func check(_ call: Call<Config>) throws(CNIError) {
    let settings = try DNSHostsSettings(call)
    var problems: [CNIError] = []
    attempt(&problems) { () throws(CNIError) in
      if let inner = call.config.inner { try call.delegates.run(inner, .check) }
    }
    attempt(&problems) { () throws(CNIError) in
      let found = try differences(settings, call)
      guard !found.isEmpty else { return }
      throw CNIError(
        .differences, "names of \(call.owner.interface) are not as ADD left them: \(found.joined(separator: "; "))")
    }
    if let error = CNIError(joining: problems) { throw error }
  }

  private func differences(_ settings: DNSHostsSettings, _ call: Call<Config>) throws(CNIError) -> [String] {
    guard let names = try lock(call.owner.network, call.config.stateDir, making: false) else {
      return ["nothing is remembered of the attachment"]
    }
    let wanted = settings.member(call.previous ?? AddResult())
    return try translating { () throws(KernelError) in
      try names.differences(from: wanted, hasHosts: settings.path != nil)
        + texts(call.config.stateDir).differences(of: call.owner)
    }
  }

  func delete(_ removal: Removal<Config>) throws(CNIError) {
    var problems: [CNIError] = []
    attempt(&problems) { () throws(CNIError) in
      let stateDir = removal.config?.stateDir ?? StateDirectory.defaultPath
      guard let names = try lock(removal.owner.network, stateDir, making: false) else { return }
      // Before the hosts file, for which the directories were made.
      try Self.throwAll(texts(stateDir).remove(removal.owner) + names.leave(removal.owner))
    }
    // Only now: the next container with that address must not be called as this one.
    if let inner = removal.config?.inner {
      attempt(&problems) { () throws(CNIError) in try removal.delegates.run(inner, .del) }
    }
    if let error = CNIError(joining: problems) { throw error }
  }

  private static func throwAll(_ failures: [KernelError]) throws(CNIError) {
    if let error = CNIError(joining: failures.map { CNIError($0) }) { throw error }
  }

  func collectGarbage(_ network: Network<Config>, valid: Set<ValidAttachments.Attachment>) throws(CNIError) {
    var problems: [CNIError] = []
    attempt(&problems) { () throws(CNIError) in
      guard let names = try lock(network.name, network.config.stateDir, making: false) else { return }
      let owners = valid.map { Owner(network: network.name, container: $0.containerID, interface: $0.ifname) }
      let files = texts(network.config.stateDir)
      try Self.throwAll(
        try translating { () throws(KernelError) in
          try files.removeAll(of: network.name, but: Set(owners)) + names.forgetAll(but: Set(owners))
        })
    }
    if let inner = network.config.inner {
      attempt(&problems) { () throws(CNIError) in try network.delegates.run(inner, .gc) }
    }
    if let error = CNIError(joining: problems) { throw error }
  }

  func status(_ network: Network<Config>) throws(CNIError) {
    do throws(KernelError) { try StateDirectory(network.config.stateDir).probe() } catch {
      throw CNIError(.notAvailable, "\(error)")
    }
    if let inner = network.config.inner { try network.delegates.run(inner, .status) }
  }
}
