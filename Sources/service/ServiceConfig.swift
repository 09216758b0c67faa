import CNI
import NetTypes
import PacketFilter
import PluginKit

/// The `service` part of a network configuration, as written; absent keys are `nil`.
struct ServiceConfig: ChainConfig {
  var nestedPlugin: NestedPlugin?
  let service: String?
  let vips: [IPAddress]?
  let ports: [ServicePort]?
  let scheduler: BackEnd.Scheduler?
  let weight: Int?
  let published: [HostPort]?
  let health: HealthCheck?

  init(_ json: JSONReader) throws(CNIError) {
    nestedPlugin = try NestedPlugin(in: json)
    for key in ["engine", "resolve"] where json[key] != nil {
      throw CNIError(.unsupportedField, "key \"\(key)\": not supported yet: want no such key")
    }
    service = try json.text("service")
    vips = try json.parsedList("vip")
    ports = try json.objects("ports")
    scheduler = try json.parsed("scheduler")
    weight = try json.integer("weight")
    published = try json.objects("publish")
    let target = ports?.first { $0.transport == .tcp }?.target
    health = try json["health"].map { (json) throws(CNIError) in try HealthCheck(json, defaultPort: target) }
  }

  /// A configuration for DEL with only the delegate; `nil` if that cannot be read.
  static func partialConfig(_ json: JSONReader) -> ServiceConfig? {
    guard let nestedPlugin = try? NestedPlugin(in: json) else { return nil }
    var config = try? ServiceConfig(JSONReader(.object([:])))
    config?.nestedPlugin = nestedPlugin
    return config
  }
}

/// A port of the virtual address, and the back-ends' port.
struct ServicePort: JSONReadable, Equatable, Sendable {
  var port: UInt16
  var target: UInt16
  var transport: TransportProtocol

  init(_ json: JSONReader) throws(CNIError) {
    port = try json.required("port").portNumber()
    target = try json["targetPort"].map { (json) throws(CNIError) in try json.portNumber() } ?? port
    transport = try json.parsed("protocol") ?? .tcp
  }
}

/// A port of all addresses of the host.
struct HostPort: JSONReadable, Equatable, Sendable {
  var hostPort: UInt16
  /// The service's port that it stands for; `nil`: its only one.
  var port: UInt16?
  var transport: TransportProtocol?
  var configKey: String

  init(_ json: JSONReader) throws(CNIError) {
    configKey = json.path
    hostPort = try json.required("hostPort").portNumber()
    port = try json["port"].map { (json) throws(CNIError) in try json.portNumber() }
    transport = try json.parsed("protocol")
  }
}
