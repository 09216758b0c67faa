public import CNI
public import Kernel
public import NetTypes
public import PluginKit

/// Hands out addresses of ranges; stores leases in the files of the reference plugin `host-local`.
public struct HostLocal<K: Kernel & ~Copyable, Leases: LeaseStore & ~Copyable>: Plugin {
  public typealias Config = HostLocalConfig

  public static var name: String { "ipam-host-local" }
  public static var isIPAMPlugin: Bool { true }
  /// The namespace is only recorded with the lease, so any path will do: the reference plugin's manual has `/dev/null`.
  public static var namespaceRule: NamespaceRule { .any }

  /// Opened only to find a subnet: for `"subnet": "auto"`, or for a bridge's addresses.
  private let openKernel: @Sendable (String?) throws(KernelError) -> K
  private let openLeases: @Sendable (String, NetworkName, Bool) throws(CNIError) -> Leases?
  private let flushLeases: @Sendable (String, NetworkName, [IPAddress]) throws(CNIError) -> Void
  private let findSubnet: FindSubnet
  private let readText: @Sendable (String) throws(CNIError) -> String

  /// Finds the subnet for `auto`, from a family, a network and the directory of its leases.
  ///
  /// The fourth parameter is whether to record the subnet; the last one returns the prefixes that the host uses.
  public typealias FindSubnet =
    @Sendable (IPFamily, NetworkName, String, Bool, () throws(CNIError) -> [IPPrefix]) throws(CNIError) -> IPPrefix?

  /// - Parameters:
  ///   - openKernel: opens the host's kernel, without a container.
  ///   - openLeases: opens and locks a network's leases below a directory; the last parameter is whether to create it.
  ///   - flushLeases: makes a network's leases below a directory survive a power failure.
  ///   - findSubnet: finds the subnet for `auto`.
  ///   - readText: reads a text file.
  public init(
    on openKernel: @escaping @Sendable (String?) throws(KernelError) -> K,
    leases openLeases: @escaping @Sendable (String, NetworkName, Bool) throws(CNIError) -> Leases?,
    flushing flushLeases: @escaping @Sendable (String, NetworkName, [IPAddress]) throws(CNIError) -> Void = { _, _, _ in
    },
    subnets findSubnet: @escaping FindSubnet, text readText: @escaping @Sendable (String) throws(CNIError) -> String
  ) {
    self.openKernel = openKernel
    self.openLeases = openLeases
    self.flushLeases = flushLeases
    self.findSubnet = findSubnet
    self.readText = readText
  }

  public func checkSettings(_ call: Call<Config>) throws(CNIError) {
    _ = try dns(call.config)
    // The subnets for `auto` and of a bridge depend on the host, which is not looked at here.
    guard call.config.automaticFamilies.isEmpty, call.config.subnetBridge == nil else { return }
    _ = try rangeSets(call.config, call.owner.network, recording: false)
  }

  private func dns(_ config: Config) throws(CNIError) -> DNS? {
    try config.ipam?.resolvConf.map { path throws(CNIError) in DNS(resolvConf: try readText(path)) }
  }

  public func add(_ call: Call<Config>, commit: Commit) throws(CNIError) {
    guard !call.namespacePath.isEmpty else {
      throw CNIError(.invalidEnvironment, "required env variables [CNI_NETNS] missing")
    }
    let arguments = try call.arguments()
    var request = AddressRequest(
      owner: call.owner, namespacePath: call.namespacePath,
      sets: try rangeSets(call.config, call.owner.network, recording: !call.isDryRun),
      requested: try call.keys.requestedAddresses(arguments).map { $0.address })
    if call.config.ipam?.sticky == true, let name = call.keys.containerName(arguments) {
      request.stickyName = StickyName(container: name, interface: call.owner.interface.description)
    }
    let dns = try dns(call.config)
    if call.isDryRun {
      var leases = try LeaseSnapshot(dataDir: call.config.dataDir, network: call.owner.network)
      return try commit(result(try leases.allocate(request), call.config, dns))
    }
    let assignments = try withLeases(of: call.owner.network, call.config, createIfMissing: true) {
      leases throws(CNIError) in
      try leases.allocate(request)
    }
    let result = result(assignments ?? [], call.config, dns)
    do throws(CNIError) {
      try flushLeases(call.config.dataDir, call.owner.network, (assignments ?? []).map { $0.address })
      try commit(result)
    } catch {
      throw CNIError(joining: [error] + rollBack(call.owner, call.config)) ?? error
    }
  }

  private func result(_ assignments: [AddressRange.Assignment], _ config: Config, _ dns: DNS?) -> AddResult {
    AddResult(ips: assignments.compactMap { $0.ip }, routes: config.ipam?.routes ?? [], dns: dns ?? DNS())
  }

  private func rollBack(_ owner: AttachmentID, _ config: Config) -> [CNIError] {
    do throws(CNIError) {
      try release(owner, config)
      return []
    } catch {
      return [error]
    }
  }

  public func check(_ call: Call<Config>) throws(CNIError) {
    let sets = try rangeSets(call.config, call.owner.network, recording: false)
    let holder = LeaseHolder(call.owner)
    let leased = try withLeases(of: call.owner.network, call.config, createIfMissing: false) {
      leases throws(CNIError) in
      try leases.addresses(of: holder)
    }
    let resultAddresses = (call.previous?.ips ?? []).map { $0.address.address }
    let differences = sets.differences(leased: leased ?? [], resultAddresses: resultAddresses)
    guard differences.isEmpty else {
      throw CNIError(
        .differences, "leases of \(holder) in network \(call.owner.network): " + differences.joined(separator: "; "))
    }
  }

  /// The directory of the leases, so that DEL works although the configuration is invalid.
  public static func partialConfig(_ configuration: JSONValue) -> HostLocalConfig? {
    configuration.member("ipam")?.value.member("dataDir")?.value.string.map { HostLocalConfig(dataDir: $0) }
  }

  public func delete(_ removal: Removal<Config>) throws(CNIError) {
    try release(removal.owner, removal.config)
  }

  private func release(_ owner: AttachmentID, _ config: Config?) throws(CNIError) {
    let failures = try withLeases(of: owner.network, config, createIfMissing: false) { leases throws(CNIError) in
      leases.releaseAll(try leases.addresses(of: LeaseHolder(owner)))
    }
    if let error = CNIError(joining: failures ?? []) { throw error }
  }

  public func collectGarbage(
    _ network: NetworkCall<Config>, valid: Set<ValidAttachments.Attachment>
  ) throws(CNIError) {
    let keep = Set(
      valid.flatMap { attachment in
        let container = attachment.containerID.description
        return [
          LeaseHolder(container: container, interface: attachment.ifname.description),
          LeaseHolder(container: container, interface: nil),
        ]
      })
    let failures = try withLeases(of: network.name, network.config, createIfMissing: false) { leases throws(CNIError) in
      let stale = try leases.allLeases().filter { lease in lease.holder.map { !keep.contains($0) } ?? true }
      return leases.releaseAll(stale.map { $0.address })
    }
    if let error = CNIError(joining: failures ?? []) { throw error }
  }

  public func status(_ network: NetworkCall<Config>) throws(CNIError) {
    let sets = try rangeSets(network.config, network.name, recording: false)
    let full = try withLeases(of: network.name, network.config, createIfMissing: false) { leases throws(CNIError) in
      try leases.exhausted(sets)
    }
    guard let full, !full.isEmpty else { return }
    throw CNIError(
      .notAvailable,
      "network \(network.name): "
        + full.map { "0 of \($0.capacity) addresses free in \($0)" }.joined(separator: "; "))
  }

  private func withLeases<Value>(
    of network: NetworkName, _ config: Config?, createIfMissing: Bool, _ body: (inout Leases) throws(CNIError) -> Value
  ) throws(CNIError) -> Value? {
    let dataDir = config?.dataDir ?? StatePaths.leases
    guard var leases = try openLeases(dataDir, network, createIfMissing) else { return nil }
    return try body(&leases)
  }

  /// The network's range sets, with the subnets that depend on the host.
  private func rangeSets(
    _ config: Config, _ network: NetworkName, recording: Bool
  ) throws(CNIError) -> [RangeSet] {
    var autoSubnets: [IPFamily: IPPrefix] = [:]
    for family in Set(config.automaticFamilies) {
      autoSubnets[family] = try findSubnet(family, network, config.dataDir, recording) { () throws(CNIError) in
        try withKernel { kernel throws(KernelError) in try kernel.routedPrefixes(family) }
      }
    }
    var addresses: [IPPrefix] = []
    if let bridge = config.subnetBridge {
      addresses = try withKernel { kernel throws(KernelError) in
        guard try kernel.link(bridge, on: .host) != nil else { return [] }
        return try kernel.addresses(of: bridge, on: .host).filter { $0.family == .v4 || !$0.address.isLinkLocal }
      }
    }
    return try config.rangeSets(autoSubnets: autoSubnets, bridgeAddresses: addresses)
  }

  private func withKernel<Value>(_ body: (inout K) throws(KernelError) -> Value) throws(CNIError) -> Value {
    do throws(KernelError) {
      var kernel = try openKernel(nil)
      return try body(&kernel)
    } catch {
      throw CNIError(.kernelRefused, error.description)
    }
  }
}
