import CNI
import EtcdRecords
import NetTypes
import PacketFilter
import PluginKit

/// The `portmap` part of a network configuration, as written; absent keys are `nil`.
struct PortmapConfig: ChainConfig {
  var nestedPlugin: NestedPlugin?
  let backend: Backend?
  let snat: Bool?
  let conditionsV4: Conditions?
  let conditionsV6: Conditions?
  let masqAll: Bool?
  let markMasqBit: Int?
  let externalSetMarkChain: ChainName?
  let chain: ChainName?
  let excludeDevices: [InterfaceName]?
  let hostPortRange: PortRange?
  let defaultHostIP: IPAddress?
  let allowBound: Bool?
  let publishAll: Bool?
  var mappings: [Mapping] = []
  var exposedPorts: [ExposedPort] = []
  var floatingIPs: [RequestedFloat] = []
  /// How the network's hosts share floating addresses; `nil` if they do not.
  var etcd: SharingConfig?
  /// Whether `runtimeConfig.portMappings` is there and nothing is to be published.
  var publishesNothing = false

  init(_ json: JSONReader) throws(CNIError) {
    nestedPlugin = try NestedPlugin(in: json)
    etcd = try json.object("etcd")
    backend = try json.parsed("backend")
    snat = try json.flag("snat")
    conditionsV4 = try json["conditionsV4"].flatMap { (json) throws(CNIError) in try Conditions(json) }
    conditionsV6 = try json["conditionsV6"].flatMap { (json) throws(CNIError) in try Conditions(json) }
    masqAll = try json.flag("masqAll")
    markMasqBit = try json.integer("markMasqBit")
    externalSetMarkChain = try json.parsed("externalSetMarkChain")
    chain = try json.parsed("chain")
    excludeDevices = try json.parsedList("excludeDevices")
    hostPortRange = try json.parsed("hostPortRange")
    defaultHostIP = try json.parsed("defaultHostIP")
    allowBound = try json.flag("allowBound")
    let requests = RuntimeRequests(json)
    let publishAllOfOne = try requests.cni?.flag("publishAll")
    publishAll = try json.flag("publishAll") ?? publishAllOfOne
    mappings = try requests.mappings()
    exposedPorts = try requests.list("exposedPorts") { (element) throws(CNIError) in try ExposedPort(element) }
    let device: InterfaceName? = try json.parsed("floatingDevice")
    floatingIPs = try requests.list("floatingIPs") { (element) throws(CNIError) in
      try RequestedFloat(element, device: device)
    }
    publishesNothing =
      requests.runtime?["portMappings"] != nil && mappings.isEmpty && publishAll != true && floatingIPs.isEmpty
  }

  /// A configuration for DEL with only the keys that can be read: etcd and the delegate.
  static func partialConfig(_ json: JSONReader) -> PortmapConfig? {
    var config = try? PortmapConfig(JSONReader(.object([:])))
    config?.nestedPlugin = try? NestedPlugin(in: json)
    config?.etcd = try? json.object("etcd")
    return config
  }
}

/// The runtime's requests for this container, from the places where runtimes write them.
private struct RuntimeRequests {
  var runtime: JSONReader?
  /// `args.cni`.
  var cni: JSONReader?
  /// Mesos' `network_info`.
  var mesos: JSONReader?

  init(_ json: JSONReader) {
    runtime = json["runtimeConfig"]
    cni = json["args"]?["cni"]
    mesos = json["args"]?["org.apache.mesos"]?["network_info"]
  }

  /// The list from `runtimeConfig`, else the one from `args.cni`.
  func list<Value>(_ key: String, _ element: (JSONReader) throws(CNIError) -> Value) throws(CNIError) -> [Value] {
    for source in [runtime, cni] { if let list = try source?.list(key, element) { return list } }
    return []
  }

  /// The mappings of the first source that has any: `runtimeConfig`, then `args.cni`, then Mesos.
  func mappings() throws(CNIError) -> [Mapping] {
    for list in [runtime?["portMappings"], cni?["portMappings"], mesos?["port_mappings"]] {
      var mappings: [Mapping] = []
      for element in try list?.elements() ?? [] { mappings += try Mapping.read(element) }
      if !mappings.isEmpty { return mappings }
    }
    return []
  }
}
