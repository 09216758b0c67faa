import CNI
import EtcdRecords
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
  /// How the network's hosts share back-ends; `nil` if they do not.
  var etcd: SharingConfig?
  let vipRanges: [IPPrefix]?
  /// The ports that Mesos maps, by container port.
  let mesosPorts: [ServicePort]
  let resolve: BackEnd.Resolution?
  let health: HealthCheck?
  /// `nil` with the engine nftables.
  let proxy: ServiceProxy?

  init(_ json: JSONReader) throws(CNIError) {
    nestedPlugin = try NestedPlugin(in: json)
    proxy = try Self.proxy(json)
    service = try json.text("service")
    vips = try json.parsedList("vip")
    ports = try json.objects("ports")
    scheduler = try json.parsed("scheduler")
    weight = try json.integer("weight")
    published = try json.objects("publish")
    etcd = try json.object("etcd")
    vipRanges = try json.parsedList("vipRange")
    let mesos = json["args"]?["org.apache.mesos"]?["network_info"]
    mesosPorts =
      try mesos?.list("port_mappings") { (mapping) throws(CNIError) in try ServicePort(mesos: mapping) } ?? []
    resolve = try json.parsed("resolve")
    let target = ports?.first { $0.transport == .tcp }?.target
    health = try json["health"].map { (json) throws(CNIError) in try HealthCheck(json, defaultPort: target) }
  }

  private static func proxy(_ json: JSONReader) throws(CNIError) -> ServiceProxy? {
    let engine = try json.text("engine") ?? "nftables"
    guard ["nftables", "haproxy"].contains(engine) else {
      throw CNIError(.unsupportedField, "key \"engine\": \"\(engine)\": not supported: want nftables or haproxy")
    }
    if engine == "haproxy" { return try json.object("haproxy") ?? ServiceProxy() }
    if let given = json["haproxy"] { throw given.refusal("it only with \"engine\": \"haproxy\"") }
    return nil
  }

  /// A configuration for DEL with only the keys that can be read: etcd and the delegate.
  static func partialConfig(_ json: JSONReader) -> ServiceConfig? {
    var config = try? ServiceConfig(JSONReader(.object([:])))
    config?.nestedPlugin = try? NestedPlugin(in: json)
    config?.etcd = try? json.object("etcd")
    return config
  }
}

/// A port of the virtual address, and the back-ends' port.
struct ServicePort: JSONReadable, Equatable, Sendable {
  var port: UInt16
  var target: UInt16
  var transport: TransportProtocol

  init(_ port: UInt16) {
    self.port = port
    target = port
    transport = .tcp
  }

  /// A port mapping of Mesos, of whose protocols the first one counts.
  fileprivate init(mesos json: JSONReader) throws(CNIError) {
    let given = if let port = json["container_port"] { port } else { try json.required("containerPort") }
    self.init(try given.portNumber())
    guard let given = try json.text("protocol")?.split(separator: ",").first else { return }
    guard let transport = TransportProtocol(given.filter { $0 != " " }) else {
      throw try json.required("protocol").refusal(TransportProtocol.expectedForm)
    }
    self.transport = transport
  }

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
