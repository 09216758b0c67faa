import CNI
import Etcd
import EtcdRecords
import Names
import NetTypes
import PacketFilter
import PluginKit

/// Lets the containers of a network find each other by name: through hosts files, or a name server on the host.
struct DNSHosts<Filter: PacketFilter, Store: EtcdStore & ~Copyable>: Plugin {
  typealias Config = DNSHostsConfig

  static var name: String { "dns-hosts" }
  static var namespaceRule: NamespaceRule { .any }
  static var refusesRepeatedKeys: Bool { true }

  static func partialConfig(_ configuration: JSONValue) -> Config? { Config(salvaging: JSONReader(configuration)) }

  /// Called with a description before each change; an error that it throws prevents the change.
  let willChange: (String) throws(KernelError) -> Void

  /// Opens the port of the name server.
  let filter: Filter
  /// The host's link to that address of a container; `nil` for a veth of one container, as `ptp` makes it.
  let findHostLink: (IPAddress) throws(KernelError) -> HostLink?
  /// Connects to etcd, for networks whose hosts share names.
  let connect: (EtcdConfig) throws(CNIError) -> Store
  /// The path of the dnsmasq program; `nil` if it is not installed.
  let dnsmasq: () -> String?

  init(
    filter: Filter, willChange: @escaping (String) throws(KernelError) -> Void = { _ throws(KernelError) in },
    findHostLink: @escaping (IPAddress) throws(KernelError) -> HostLink?,
    connect: @escaping (EtcdConfig) throws(CNIError) -> Store, dnsmasq: @escaping () -> String?
  ) {
    self.dnsmasq = dnsmasq
    self.filter = filter
    self.findHostLink = findHostLink
    self.connect = connect
    self.willChange = willChange
  }

  func checkSettings(_ call: Call<Config>) throws(CNIError) { _ = try DNSHostsSettings(call) }

  func add(_ call: Call<Config>, commit: Commit) throws(CNIError) {
    let settings = try DNSHostsSettings(call)
    guard call.config.nestedPlugin != nil || call.previous != nil else {
      throw CNIError(.invalidNetworkConfig, "missing prevResult: dns-hosts must be called as chained plugin")
    }
    if call.isDryRun { return try plan(settings, call, commit) }
    // Before any change: if etcd does not answer, there is nothing to roll back.
    var shared = try open(call.owner.network, call.config, isJoining: true)
    let nestedPlugin = try call.config.nestedPlugin.map { (nestedPlugin) throws(CNIError) in
      try call.delegates.run(nestedPlugin, .add)
    }
    do throws(CNIError) {
      try join(settings, nestedPlugin ?? call.previous ?? AddResult(), call.config, &shared, commit)
    } catch {
      if let nestedPlugin = call.config.nestedPlugin {
        do throws(CNIError) { try call.delegates.run(nestedPlugin, .del) } catch { warn("not rolled back: \(error)") }
      }
      throw error
    }
  }

  /// Prints what ADD would write; the result keeps the name servers of the plugins before this one.
  private func plan(_ settings: DNSHostsSettings, _ call: Call<Config>, _ commit: Commit) throws(CNIError) {
    let nestedPlugin = try call.config.nestedPlugin.map { (nestedPlugin) throws(CNIError) in
      try call.delegates.run(nestedPlugin, .add)
    }
    let previous = nestedPlugin ?? call.previous ?? AddResult()
    let member = settings.member(previous)
    let names = member.names.map { $0.description }.joined(separator: " ")
    call.plan([
      "# write lines with \(names) to the hosts files of network \(call.owner.network) below \(call.config.stateDir)"
    ])
    try commit(previous)
  }

  /// The settings with the services of which the plugin `service` has made the container a back-end.
  private func withServices(_ settings: DNSHostsSettings) throws(CNIError) -> DNSHostsSettings {
    var filter = filter
    var settings = settings
    let backEnds = try convertingErrors { () throws(KernelError) in
      try filter.ruleSet(of: settings.owner, .services)?.backEnds ?? []
    }
    for backEnd in backEnds { try settings.addService(of: backEnd) }
    return settings
  }

  private func join(
    _ settings: DNSHostsSettings, _ previous: AddResult, _ config: Config,
    _ shared: inout SharedNamesConnection<Store>?,
    _ commit: Commit
  ) throws(CNIError) {
    let settings = try withServices(settings)
    guard let names = try lock(settings.owner.network, config.stateDir, createIfMissing: true) else { return }
    let member = settings.member(previous)
    for note in settings.notes { warn(note) }
    let files = texts(config.stateDir)
    let nameservers = try settings.server?.nameservers(previous, of: settings.owner) ?? []
    do throws(CNIError) {
      try convertingErrors { () throws(KernelError) in
        try names.join(member, settings.hostsFileRequest(for: member))
        try names.publish(member)
      }
      try exchangeNames(member, names, &shared)
      let servers = try settings.server.map { (server) throws(CNIError) in
        try serve(server, for: member, names, nameservers: nameservers)
      }
      var result = previous
      result.dns = try write(settings.texts(asking: servers ?? []), of: member, previous.dns, files)
      try commit(result)
    } catch {
      do throws(CNIError) {
        if settings.server != nil { try close(settings.owner, everywhere: false) }
      } catch { warn("not rolled back: \(error)") }
      for leftover in files.remove(settings.owner) { warn("not rolled back: \(leftover)") }
      for leftover in names.leave(settings.owner) { warn("not rolled back: \(leftover)") }
      do throws(KernelError) { try names.endServerIfUnused() } catch { warn("not rolled back: \(error)") }
      do throws(CNIError) { try shared?.withdraw(settings.owner) } catch { warn("not rolled back: \(error)") }
      throw error
    }
  }

  /// - Throws: code 11 if another process holds the network's lock too long.
  func lock(_ network: NetworkName, _ stateDir: String, createIfMissing: Bool) throws(CNIError) -> NetworkNames? {
    try convertingErrors { () throws(KernelError) in
      try NetworkNames.lock(
        network, in: StateDirectory(stateDir), createIfMissing: createIfMissing, warn: { warn($0) },
        willChange: willChange)
    }
  }

  func check(_ call: Call<Config>) throws(CNIError) {
    let settings = try DNSHostsSettings(call)
    var problems: [CNIError] = []
    attempt(&problems) { () throws(CNIError) in
      if let nestedPlugin = call.config.nestedPlugin { try call.delegates.run(nestedPlugin, .check) }
    }
    attempt(&problems) { () throws(CNIError) in
      let differences = try differences(settings, call)
      guard !differences.isEmpty else { return }
      throw CNIError(
        .differences,
        "names of \(call.owner.interface) differ from what ADD wrote: \(differences.joined(separator: "; "))")
    }
    if let error = CNIError(joining: problems) { throw error }
  }

  private func differences(_ settings: DNSHostsSettings, _ call: Call<Config>) throws(CNIError) -> [String] {
    let previous = call.previous ?? AddResult()
    let settings = try withServices(settings)
    let wanted = settings.member(previous)
    var shared = try open(call.owner.network, call.config)
    let etcdDifferences = try shared?.differences(from: wanted) ?? []
    guard let names = try lock(call.owner.network, call.config.stateDir, createIfMissing: false) else {
      return ["there is no record of the attachment"]
    }
    let serverDifferences = try settings.server.map { (server) throws(CNIError) in
      try differences(server, for: wanted, names, nameservers: server.nameservers(previous, of: call.owner))
    }
    return try convertingErrors { () throws(KernelError) in
      try names.differences(from: wanted, hasHosts: settings.path != nil)
        + texts(call.config.stateDir).differences(of: call.owner) + (serverDifferences ?? []) + etcdDifferences
    }
  }

  func delete(_ removal: Removal<Config>) throws(CNIError) {
    var problems: [CNIError] = []
    attempt(&problems) { () throws(CNIError) in
      let stateDir = removal.config?.stateDir ?? StatePaths.dnsHosts
      guard let names = try lock(removal.owner.network, stateDir, createIfMissing: false) else { return }
      // Before the hosts file: its record lists the directories that were created.
      try Self.throwAll(texts(stateDir).remove(removal.owner) + names.leave(removal.owner))
      try convertingErrors { () throws(KernelError) in try names.endServerIfUnused() }
    }
    attempt(&problems) { () throws(CNIError) in
      try close(removal.owner, everywhere: removal.config?.server != nil)
    }
    attempt(&problems) { () throws(CNIError) in
      guard let config = removal.config, var shared = try open(removal.owner.network, config) else { return }
      try shared.withdraw(removal.owner)
    }
    // Releases the address last: another container must not get it while the old names still lead to it.
    if let nestedPlugin = removal.config?.nestedPlugin {
      attempt(&problems) { () throws(CNIError) in try removal.delegates.run(nestedPlugin, .del) }
    }
    if let error = CNIError(joining: problems) { throw error }
  }

  private static func throwAll(_ failures: [KernelError]) throws(CNIError) {
    if let error = CNIError(joining: failures.map { CNIError($0) }) { throw error }
  }

  func collectGarbage(_ network: NetworkCall<Config>, valid: Set<ValidAttachments.Attachment>) throws(CNIError) {
    var problems: [CNIError] = []
    let owners = valid.owners(on: network.name)
    attempt(&problems) { () throws(CNIError) in
      guard let names = try lock(network.name, network.config.stateDir, createIfMissing: false) else { return }
      let files = texts(network.config.stateDir)
      try Self.throwAll(
        try convertingErrors { () throws(KernelError) in
          try files.removeAll(of: network.name, except: owners) + names.removeAll(except: owners)
        })
      try convertingErrors { () throws(KernelError) in try names.endServerIfUnused() }
    }
    attempt(&problems) { () throws(CNIError) in
      try convertingErrors { () throws(KernelError) in
        var filter = filter
        try filter.collectGarbage(network.name, .names, valid: owners, everywhere: network.config.server != nil)
      }
    }
    attempt(&problems) { () throws(CNIError) in
      guard var shared = try open(network.name, network.config) else { return }
      try shared.withdrawAll(except: owners)
    }
    if let nestedPlugin = network.config.nestedPlugin {
      attempt(&problems) { () throws(CNIError) in try network.delegates.run(nestedPlugin, .gc) }
    }
    if let error = CNIError(joining: problems) { throw error }
  }

  func status(_ network: NetworkCall<Config>) throws(CNIError) {
    do throws(KernelError) { try StateDirectory(network.config.stateDir).probe() } catch {
      throw CNIError(.notAvailable, "\(error)")
    }
    var filter = filter
    if let server = network.config.server, let obstacle = filter.obstacle(server.backend) {
      throw CNIError(.notAvailable, "port of the name server: \(obstacle)")
    }
    do throws(CNIError) {
      var shared = try open(network.name, network.config)
      try shared?.probe()
    } catch { throw error.ofStatus }
    if network.config.server?.isOwn == true, dnsmasq() == nil {
      warn("names of network \(network.name): no name server: dnsmasq is not installed")
    }
    if let nestedPlugin = network.config.nestedPlugin { try network.delegates.run(nestedPlugin, .status) }
  }
}

/// The names of one network in etcd, with the connection to etcd.
struct SharedNamesConnection<Store: EtcdStore & ~Copyable>: ~Copyable {
  private let names: SharedNames
  private var store: Store
  /// This host's lease; `nil` for a command that puts no names.
  private var lease: EtcdLease?

  init(_ names: SharedNames, in store: consuming Store) {
    self.names = names
    self.store = store
  }
}

extension SharedNamesConnection where Store: ~Copyable {
  /// Renews this host's etcd lease, for ADD.
  ///
  /// - Throws: code 11 if no quorum answers; then nothing is changed.
  mutating func renewLease(recordedIn state: StateDirectory) throws(CNIError) {
    lease = try names.lease(&store, recordedIn: state)
  }

  /// As `SharedNames.exchange`, for the attachment of an ADD; no names if there is no lease.
  mutating func exchange(_ member: Member, local: [Member]) throws(CNIError) -> [RemoteMember] {
    guard let lease else { return [] }
    return try names.exchange(&store, joining: member, local: local, on: lease)
  }

  mutating func withdraw(_ owner: AttachmentID) throws(CNIError) { try names.withdraw(owner, from: &store) }

  mutating func withdrawAll(except valid: Set<AttachmentID>) throws(CNIError) {
    try names.withdrawAll(except: valid, from: &store)
  }

  mutating func differences(from wanted: Member) throws(CNIError) -> [String] {
    try names.differences(from: wanted, in: &store)
  }

  mutating func probe() throws(CNIError) { try names.probe(&store) }
}

extension DNSHosts where Store: ~Copyable {
  /// Connects to etcd; `nil` for a network whose names stay on this host.
  func open(_ network: NetworkName, _ config: Config, isJoining: Bool = false) throws(CNIError)
    -> SharedNamesConnection<Store>?
  {
    guard let etcd = config.etcd else { return nil }
    let names = try SharedNames(etcd, of: network, warn: { warn($0) })
    var open = SharedNamesConnection(names, in: try connect(etcd.etcd))
    if isJoining { try open.renewLease(recordedIn: StateDirectory(config.stateDir)) }
    return open
  }

  /// Puts the new attachment into etcd, and writes the names of other hosts to this host's files.
  func exchangeNames(_ member: Member, _ names: borrowing NetworkNames, _ shared: inout SharedNamesConnection<Store>?)
    throws(CNIError)
  {
    let local = shared == nil ? [] : try convertingErrors { () throws(KernelError) in try names.members() }
    let remote = try shared?.exchange(member, local: local) ?? []
    try convertingErrors { () throws(KernelError) in _ = try names.writeRemoteNames(remote) }
  }
}
