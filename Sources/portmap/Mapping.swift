import CNI
import NetTypes

/// One port of the container to publish.
struct Mapping: Equatable, Sendable {
  var transport: TransportProtocol
  /// The `hostIP` as written; `nil` means all addresses of both families.
  ///
  /// The unspecified address means all addresses of its family.
  var hostIP: IPAddress?
  /// `nil` if portmap is to choose it.
  var hostPort: UInt16?
  var containerPort: UInt16
  /// The configuration key of the mapping: `runtimeConfig.portMappings[0]`.
  var configKey: String

  /// The host's address for which the port is published; `nil` for all.
  var boundAddress: IPAddress? { hostIP.flatMap { $0.value == 0 ? nil : $0 } }

  /// The family for which the port is published; `nil` for both.
  var family: IPFamily? { hostIP?.family }

  /// `80/tcp`.
  var containerText: String { "\(containerPort)/\(transport)" }
}

extension Mapping {
  /// Reads an element of `portMappings`: one mapping for each port and protocol.
  ///
  /// Also accepts Mesos' `host_port` and `container_port`, and its protocols separated by commas.
  ///
  /// - Throws: code 7 for an invalid port, protocol or address, and for ranges of different lengths.
  static func read(_ json: JSONReader) throws(CNIError) -> [Mapping] {
    guard case .object = json.value else { throw json.refusal("an object") }
    let pairs = try PortPairs(json)
    let hostIP: IPAddress? = try json.parsed("hostIP")
    if let hostIP, hostIP.isMulticast { throw try json.required("hostIP").refusal("an address that a host can have") }
    let transports = try transports(json["protocol"])
    return transports.flatMap { transport in
      pairs.all.map { host, inside in
        Mapping(transport: transport, hostIP: hostIP, hostPort: host, containerPort: inside, configKey: json.path)
      }
    }
  }

  /// The protocols; `tcp` if none is given.
  static func transports(_ json: JSONReader?) throws(CNIError) -> [TransportProtocol] {
    guard let json, json.value != .string("") else { return [.tcp] }
    var transports: [TransportProtocol] = []
    for part in try json.text().split(separator: ",", omittingEmptySubsequences: false) {
      guard let transport = TransportProtocol(part.filter { $0 != " " }), !transports.contains(transport) else {
        throw json.refusal(TransportProtocol.expectedForm)
      }
      transports.append(transport)
    }
    return transports
  }
}

/// The host ports and the container ports of a mapping, in pairs.
private struct PortPairs {
  var all: [(UInt16?, UInt16)]

  init(_ json: JSONReader) throws(CNIError) {
    guard let first = json["containerPort"] ?? json["container_port"] else {
      throw try json.required("containerPort").refusal("a port")
    }
    let inside = try Ends(first, json["containerPortEnd"])
    guard let host = json["hostPort"] ?? json["host_port"], host.value != .integer(0) else {
      if let end = json["hostPortEnd"] { throw end.refusal("\"hostPort\" with it") }
      all = inside.ports(inside.count).map { (nil, $0) }
      return
    }
    let outside = try Ends(host, json["hostPortEnd"])
    let count = outside.count ?? inside.count ?? 1
    if let other = inside.count, other != count {
      throw json.refusal("as many ports of the host as of the container")
    }
    for ends in [inside, outside] where Int(ends.first) + count - 1 > Int(UInt16.max) {
      throw ends.json.refusal("\(count) ports up to 65535")
    }
    all = Array(zip(outside.ports(count), inside.ports(count))).map { ($0, $1) }
  }

  private struct Ends {
    var json: JSONReader
    var first: UInt16
    /// `nil` if there is no end.
    var count: Int?

    init(_ json: JSONReader, _ end: JSONReader?) throws(CNIError) {
      self.json = json
      first = try json.portNumber()
      guard let end, end.value != .integer(0) else { return }
      let last = try end.portNumber()
      guard last >= first else { throw end.refusal("\(first) to 65535") }
      count = Int(last - first) + 1
    }

    func ports(_ count: Int?) -> [UInt16] { (0..<UInt16(count ?? 1)).map { first + $0 } }
  }
}

/// A port of the container that `publishAll` publishes.
struct ExposedPort: Equatable, Sendable {
  var port: UInt16
  var transport: TransportProtocol
  var configKey: String

  /// Accepts `"80/tcp"`, `"80"`, `80` and `{"port": 80, "protocol": "tcp"}`.
  init(_ json: JSONReader) throws(CNIError) {
    configKey = json.path
    switch json.value {
    case .object:
      port = try json.required("port").portNumber()
      transport = try json.parsed("protocol") ?? .tcp
    case .integer:
      port = try json.portNumber()
      transport = .tcp
    default:
      let exposed: TransportPort = try json.parsed()
      port = exposed.number
      transport = exposed.transport
    }
  }
}

/// An external address of which all ports lead to the container (floating IP).
struct RequestedFloat: Equatable, Sendable {
  var address: IPAddress
  /// The link that gets the address; `nil` if the address is already routed to the host.
  var device: InterfaceName?
  /// Whether it is taken from a container that has it.
  var moves = false
  var configKey: String

  /// Accepts an address, or `{"ip": …, "device": …, "move": …}`.
  init(_ json: JSONReader, device: InterfaceName?) throws(CNIError) {
    configKey = json.path
    if case .object = json.value {
      address = try json.required("ip").parsed()
      self.device = try json.parsed("device") ?? device
      moves = try json.flag("move") ?? false
    } else {
      address = try json.parsed()
      self.device = device
    }
    guard address.value != 0, !address.isMulticast, !address.isLoopback else {
      throw json.refusal("a unicast address outside the host")
    }
  }
}
