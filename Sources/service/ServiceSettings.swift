import CNI
import NetTypes
import PacketFilter

/// The configuration with every value checked.
struct ServiceSettings: Equatable {
  var service: String
  var vips: [IPAddress]
  var ports: [ServicePort]
  /// Ports of the host, with the service's port that each stands for.
  var published: [(hostPort: UInt16, port: ServicePort)]
  var scheduler: BackEnd.Scheduler
  var weight: Int
  var health: HealthCheck?

  /// - Throws: code 7 for a value that is missing or not valid.
  init(_ config: ServiceConfig) throws(CNIError) {
    service = try Self.name(config.service)
    vips = config.vips ?? []
    guard !vips.isEmpty, Set(vips).count == vips.count, vips.allSatisfy({ $0.value != 0 && !$0.isMulticast }) else {
      throw CNIError(.invalidNetworkConfig, "key \"vip\": want a list of different addresses")
    }
    ports = config.ports ?? []
    guard !ports.isEmpty, Set(ports.map { "\($0.port)/\($0.transport)" }).count == ports.count else {
      throw CNIError(.invalidNetworkConfig, "key \"ports\": want a list of different ports")
    }
    scheduler = config.scheduler ?? .random
    weight = config.weight ?? 1
    guard KeyRange.backEndWeight.contains(weight) else {
      throw CNIError(.invalidNetworkConfig, "key \"weight\": \(weight): want 0 to 100")
    }
    health = config.health
    published = []
    for hostPort in config.published ?? [] { published.append((hostPort.hostPort, try port(of: hostPort))) }
  }

  private static func name(_ text: String?) throws(CNIError) -> String {
    guard let text, (1...63).contains(text.utf8.count), text.first != "-", text.last != "-",
      text.allSatisfy({ $0.isASCII && ($0.isLowercase || $0.isNumber || $0 == "-") })
    else {
      throw CNIError(
        .invalidNetworkConfig,
        "key \"service\": \"\(text ?? "")\": want a name of 1 to 63 lower-case letters, digits and '-'")
    }
    return text
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
      && left.scheduler == right.scheduler && left.weight == right.weight && left.health == right.health
      && left.published.elementsEqual(right.published) { $0 == $1 }
  }
}
