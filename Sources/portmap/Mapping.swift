import CNI
import NetTypes

/// One port of the container that is to be published.
struct Mapping: Equatable, Sendable {
  var transport: TransportProtocol
  /// As written: the unspecified address stands for all of its family; `nil`: all of both.
  var hostIP: IPAddress?
  /// `nil`: to be chosen.
  var hostPort: UInt16?
  var containerPort: UInt16
  /// The key that asks for it: `runtimeConfig.portMappings[0]`.
  var place: String

  /// The address of the host it counts for; `nil`: all.
  var boundAddress: IPAddress? { hostIP.flatMap { $0.value == 0 ? nil : $0 } }

  /// The family it counts for; `nil`: both.
  var family: IPFamily? { hostIP?.family }

  /// `80/tcp`.
  var containerText: String { "\(containerPort)/\(transport)" }
}

extension Mapping {
  /// One for each port and protocol of an element of `portMappings`.
  ///
  /// Takes Mesos' `host_port` and `container_port` too, and its protocols with commas between them.
  ///
  /// - Throws: code 7 for a port, protocol or address that is none, and for ranges of different lengths.
  static func read(_ json: JSONReader) throws(CNIError) -> [Mapping] {
    guard case .object = json.value else { throw json.refusal("an object") }
    let pairs = try PortPairs(json)
    let hostIP: IPAddress? = try json.parsed("hostIP")
    if let hostIP, hostIP.isMulticast { throw try json.required("hostIP").refusal("an address that a host can have") }
    let transports = try transports(json["protocol"])
    return transports.flatMap { transport in
      pairs.all.map { host, inside in
        Mapping(transport: transport, hostIP: hostIP, hostPort: host, containerPort: inside, place: json.path)
      }
    }
  }

  /// `tcp` where nothing is written.
  static func transports(_ json: JSONReader?) throws(CNIError) -> [TransportProtocol] {
    guard let json, json.value != .string("") else { return [.tcp] }
    var transports: [TransportProtocol] = []
    for part in try json.text().split(separator: ",", omittingEmptySubsequences: false) {
      guard let transport = TransportProtocol(part.filter { $0 != " " }), !transports.contains(transport) else {
        throw json.refusal(TransportProtocol.wanted)
      }
      transports.append(transport)
    }
    return transports
  }
}

/// Ports of the host and of the container that belong together.
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
    /// `nil` where no end is written.
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

/// A port of the container's that `publishAll` publishes.
struct ExposedPort: Equatable, Sendable {
  var port: UInt16
  var transport: TransportProtocol
  var place: String

  /// Takes `"80/tcp"`, `"80"`, `80` and `{"port": 80, "protocol": "tcp"}`.
  init(_ json: JSONReader) throws(CNIError) {
    place = json.path
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

/// An address of the outside that the container gets as a whole.
struct RequestedFloat: Equatable, Sendable {
  var address: IPAddress
  /// The link that is given the address; `nil`: it reaches the host by itself.
  var device: InterfaceName?
  var place: String

  /// Takes an address, or `{"ip": …, "device": …}`.
  init(_ json: JSONReader, device: InterfaceName?) throws(CNIError) {
    place = json.path
    if case .object = json.value {
      address = try json.required("ip").parsed()
      self.device = try json.parsed("device") ?? device
    } else {
      address = try json.parsed()
      self.device = device
    }
    guard address.value != 0, !address.isMulticast, !address.isLoopback else {
      throw json.refusal("an address of the outside")
    }
  }
}
