import CNI
import NetTypes
import PacketFilter
import PluginKit

/// The configuration with every value checked.
struct ServiceSettings: Equatable {
  var service: String
  var vips: [IPAddress]
  var ports: [ServicePort]
  /// Ports of the host, with the service's port that each stands for.
  var published: [(hostPort: UInt16, port: ServicePort)]
  var scheduler: BackEnd.Scheduler
  var weight: Int
  var resolve: BackEnd.Resolution
  var health: HealthCheck?
  var proxy: ServiceProxy?

  /// - Throws: code 7 for a value that is missing or not valid.
  init(_ config: ServiceConfig) throws(CNIError) {
    guard let name = config.service, Self.isName(name) else {
      throw CNIError(.invalidNetworkConfig, "key \"service\": \"\(config.service ?? "")\": want \(Self.nameForm)")
    }
    service = name
    vips = config.vips ?? []
    guard !vips.isEmpty, Set(vips).count == vips.count, vips.allSatisfy({ $0.value != 0 && !$0.isMulticast }) else {
      throw CNIError(.invalidNetworkConfig, "key \"vip\": want a list of different addresses")
    }
    ports = config.ports ?? []
    guard !ports.isEmpty, Set(ports.map { "\($0.port)/\($0.transport)" }).count == ports.count else {
      throw CNIError(.invalidNetworkConfig, "key \"ports\": want a list of different ports")
    }
    scheduler = config.scheduler ?? .random
    weight = try Self.weight(config)
    resolve = config.resolve ?? .vip
    health = config.health
    proxy = config.proxy
    published = []
    for hostPort in config.published ?? [] {
      published.append((hostPort.hostPort, try port(of: hostPort)))
      if proxy != nil, ports.contains(where: { $0.port == hostPort.hostPort }) {
        throw CNIError(
          .invalidNetworkConfig,
          "key \"\(hostPort.configKey).hostPort\": \(hostPort.hostPort): the virtual addresses have this port: want another, or \"engine\": \"nftables\""
        )
      }
    }
    try checkTransports()
  }

  /// - Throws: code 7 for a port that haproxy cannot serve.
  private func checkTransports() throws(CNIError) {
    guard proxy != nil, let port = ports.first(where: { $0.transport != .tcp }) else { return }
    throw CNIError(
      .invalidNetworkConfig,
      "service \"\(service)\": port \(port.port)/\(port.transport): want tcp, or \"engine\": \"nftables\"")
  }

  private static func weight(_ config: ServiceConfig) throws(CNIError) -> Int {
    let weight = config.weight ?? 1
    guard KeyRange.backEndWeight.contains(weight) else {
      throw CNIError(.invalidNetworkConfig, "key \"weight\": \(weight): want 0 to 100")
    }
    return weight
  }

  /// The service of the keys, and those of the container's labels.
  static func all(_ call: Call<ServiceConfig>) throws(CNIError) -> [ServiceSettings] {
    let config = call.config
    guard let ranges = config.vipRanges else { return [try ServiceSettings(config)] }
    guard Set(ranges.map { $0.family }).count == ranges.count, ranges.allSatisfy({ $0.hostBits > 1 }) else {
      throw CNIError(
        .invalidNetworkConfig, "key \"vipRange\": want one prefix for each family, of more than two addresses")
    }
    var services = config.service == nil ? [] : [try ServiceSettings(config)]
    if services.isEmpty, config.vips != nil || config.ports != nil || config.published != nil {
      throw CNIError(.invalidNetworkConfig, "key \"service\": missing: want it with \"vip\", \"ports\" and \"publish\"")
    }
    for label in call.keys.memberLabels where label.key.hasPrefix(VIPLabel.prefix) {
      services.append(try ServiceSettings(VIPLabel(label, config.mesosPorts, in: ranges), config))
    }
    return services
  }

  private init(_ label: VIPLabel, _ config: ServiceConfig) throws(CNIError) {
    service = label.name
    vips = label.vips
    ports = [label.port]
    published = []
    scheduler = config.scheduler ?? .random
    resolve = config.resolve ?? .vip
    health = config.health
    proxy = config.proxy
    weight = try Self.weight(config)
    try checkTransports()
  }

  static let nameForm = "a name of 1 to 63 lower-case letters, digits and '-'"

  static func isName(_ text: String) -> Bool {
    (1...63).contains(text.utf8.count) && text.first != "-" && text.last != "-"
      && text.allSatisfy { $0.isASCII && ($0.isLowercase || $0.isNumber || $0 == "-") }
  }

  private func port(of published: HostPort) throws(CNIError) -> ServicePort {
    let fitting = ports.filter {
      (published.port == nil || $0.port == published.port)
        && (published.transport == nil || $0.transport == published.transport)
    }
    guard fitting.count == 1 else {
      throw CNIError(
        .invalidNetworkConfig,
        "key \"\(published.configKey)\": stands for \(fitting.count) ports of the service: want \"port\" and \"protocol\" of one"
      )
    }
    return fitting[0]
  }

  static func == (left: Self, right: Self) -> Bool {
    left.service == right.service && left.vips == right.vips && left.ports == right.ports
      && left.scheduler == right.scheduler && left.weight == right.weight && left.resolve == right.resolve
      && left.health == right.health && left.proxy == right.proxy
      && left.published.elementsEqual(right.published) { $0 == $1 }
  }
}
