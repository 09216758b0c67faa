public import CNI
public import NetTypes

/// A container that takes connections to a virtual address and port of a service; one rule for each of them.
public struct BackEnd: Hashable, Sendable {
  /// How the back-end of a new connection is chosen.
  public enum Scheduler: String, TextCodable, CaseIterable {
    case random
    /// One after the other.
    case roundRobin
    /// The same one for all connections from an address, as long as the back-ends are the same.
    case source

    public static let expectedForm = "random, roundRobin or source"

    public init?(_ text: String) { self.init(rawValue: text) }

    public var description: String { rawValue }
  }

  /// What the service's name leads to.
  public enum Resolution: String, TextCodable, CaseIterable {
    /// The virtual addresses.
    case vip
    /// The containers' addresses.
    case members

    public static let expectedForm = "vip or members"

    public init?(_ text: String) { self.init(rawValue: text) }

    public var description: String { rawValue }
  }

  /// The service's name; another service cannot have the same address and port.
  public var service: String
  /// The service's virtual address; `nil`: all addresses of the host, of the container's family.
  public var address: IPAddress?
  public var transport: TransportProtocol
  public var port: UInt16
  public var scheduler: Scheduler
  /// The container's address.
  public var target: IPAddress
  public var targetPort: UInt16
  /// Its share of the connections, beside the weights of the others: 1 to 100; 0: it takes none.
  public var weight: Int
  /// The container's subnet, whose connections to the service are masqueraded, so that replies return through the host.
  ///
  /// For a back-end on another host: this host's subnet, whose connections are those that are not masqueraded.
  public var subnet: IPPrefix
  /// The host's link that has the virtual address for this rule; `nil`: the host has it itself, or it is not wanted.
  public var device: InterfaceName?
  /// Whether the container is on another host.
  public var isFar = false
  public var resolve = Resolution.vip
  /// `nil`: it takes connections as long as it exists.
  public var health: HealthCheck?
  /// `nil`: nf_tables translates the connections.
  public var proxy: ServiceProxy?

  public init(
    of service: String, _ address: IPAddress?, _ transport: TransportProtocol, _ port: UInt16, _ scheduler: Scheduler,
    to target: IPAddress,
    _ targetPort: UInt16, in subnet: IPPrefix, weight: Int = 1
  ) {
    self.service = service
    self.address = address
    self.transport = transport
    self.port = port
    self.scheduler = scheduler
    self.target = target
    self.targetPort = targetPort
    self.subnet = subnet
    self.weight = weight
  }

  public var family: IPFamily { target.family }

  /// The key `engine`.
  public var engine: String { proxy == nil ? "nftables" : "haproxy" }
}

extension BackEnd: CustomStringConvertible {
  /// `10.1.0.2:8080 for 10.5.255.10:80/tcp`.
  public var description: String {
    "\(target.withPort(targetPort)) for \(address?.withPort(port) ?? "port \(port)")/\(transport)"
  }
}

extension BackEnd: JSONReadable {
  public var json: JSONValue {
    .record([
      "service": .string(service), "address": .text(address), "protocol": .text(transport), "port": .number(port),
      "scheduler": .text(scheduler), "target": .text(target), "targetPort": .number(targetPort),
      "weight": .number(weight), "subnet": .text(subnet),
      "device": .text(device), "far": .flag(isFar), "resolve": .text(resolve), "health": health?.json,
      "haproxy": proxy?.json,
    ])
  }

  public init(_ json: JSONReader) throws(CNIError) {
    let weight = try json.required("weight")
    guard KeyRange.backEndWeight.contains(try weight.integer()) else { throw weight.refusal("0 to 100") }
    self.init(
      of: try json.required("service").text(), try json.parsed("address"), try json.required("protocol").parsed(),
      try json.required("port").portNumber(),
      try json.required("scheduler").parsed(), to: try json.required("target").parsed(),
      try json.required("targetPort").portNumber(), in: try json.required("subnet").parsed(),
      weight: try weight.integer())
    device = try json.parsed("device")
    isFar = try json.flag("far") ?? false
    resolve = try json.parsed("resolve") ?? .vip
    health = try json.object("health")
    proxy = try json.object("haproxy")
  }
}

extension RuleSet {
  public var backEnds: [BackEnd] {
    rules.compactMap { if case .balance(let backEnd) = $0 { backEnd } else { nil } }
  }
}
