import CNI
import Kernel
import NetTypes
import PluginKit

/// The `dummy` part of a network configuration, as written; absent keys are `nil`.
struct DummyConfig: JSONReadable, Sendable {
  /// The priority of this network's default route; the highest one among the container's networks is used.
  let gwPriority: Int?
  /// Whether the container accepts router advertisements on its link.
  let routerAdvertisements: RouterAdvertisements
  let hasIPAM: Bool

  init(_ json: JSONReader) throws(CNIError) {
    gwPriority = try json.integer("gwPriority")
    routerAdvertisements = try RouterAdvertisements(json)
    hasIPAM = try json["ipam"]?.nonEmptyText("type") != nil
  }
}

/// The configuration with every value checked.
struct DummySettings: Equatable {
  /// `nil` for a random one.
  var mac: MACAddress?
  var defaultMetric: Int?
  /// Whether the container accepts router advertisements on its link.
  var routerAdvertisements: RouterAdvertisements
  /// `dns` of the configuration or the runtime; `nil` for that of IPAM.
  var dns: DNS?
}

/// The container's interface as a dummy link, which has addresses but no peer.
struct DummyDriver: LinkDriver {
  static let name = "dummy"
  static let linkKind = "dummy"

  func settings(
    _ config: DummyConfig, _ keys: RuntimeKeys, _ arguments: CNIArguments
  ) throws(CNIError) -> DummySettings {
    guard config.hasIPAM else {
      throw CNIError(.invalidNetworkConfig, "key \"ipam\" is missing: a dummy link is useless without addresses")
    }
    let mac = try keys.mac(arguments)
    try mac?.checkUsable()
    return DummySettings(
      mac: mac, defaultMetric: try Addressing.metric(gwPriority: keys.gwPriority(arguments) ?? config.gwPriority),
      routerAdvertisements: config.routerAdvertisements, dns: keys.effectiveDNS)
  }

  /// The MAC address of the link if it exists, else a random one.
  func readHostState<K: Kernel & ~Copyable>(
    _ settings: DummySettings, owner: AttachmentID, families: Set<IPFamily>, at kernel: inout K
  ) throws(KernelError) -> MACAddress {
    try kernel.link(owner.interface, on: .container)?.mac ?? .random()
  }

  func plan(
    _ settings: DummySettings, _ hostState: MACAddress, owner: AttachmentID, namespacePath: String, addresses: AddResult
  ) throws(CNIError) -> AttachmentPlan {
    let mac = settings.mac ?? hostState
    var addressing = Addressing(of: owner.interface, mac: mac, addresses)
    addressing.routerAdvertisements = settings.routerAdvertisements
    if let metric = settings.defaultMetric { addressing.setDefaultMetric(metric) }
    return try ContainerInterface(
      LinkSpec(owner.interface, kind: .dummy, mac: mac, on: .container), of: owner, addressing, mtu: nil,
      sandbox: namespacePath, dns: settings.dns ?? addresses.dns, announcement: .none
    ).plan()
  }

  func removal<K: Kernel & ~Copyable>(of owner: AttachmentID, _ config: DummyConfig?, on kernel: inout K) -> [Change] {
    []
  }

  func garbage<K: Kernel & ~Copyable>(
    of network: NetworkName, _ config: DummyConfig, valid: Set<ValidAttachments.Attachment>, on kernel: inout K
  ) -> [Change] { [] }

  func obstacle<K: Kernel & ~Copyable>(_ config: DummyConfig, on kernel: inout K) throws(KernelError) -> String? {
    guard let trial = InterfaceName("trial") else { return nil }
    do throws(KernelError) {
      try kernel.testCreation(of: LinkSpec(trial, kind: .dummy))
    } catch { return error.description }
    return nil
  }
}
