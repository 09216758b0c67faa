public import NetTypes

/// The result of an ADD (spec section 5), independent of the version's JSON form.
public struct AddResult: Equatable, Sendable {
  public var interfaces: [Interface] = []
  public var ips: [IP] = []
  public var routes: [Route] = []
  public var dns = DNS()
  /// Host ports that were chosen for the container; our extension of the specification.
  public var portMappings: [AllocatedPort] = []

  public init(interfaces: [Interface] = [], ips: [IP] = [], routes: [Route] = [], dns: DNS = DNS()) {
    self.interfaces = interfaces
    self.ips = ips
    self.routes = routes
    self.dns = dns
  }

  public struct Interface: Equatable, Sendable {
    public var name: String
    /// The text that the other plugin wrote: not every link's address has six bytes.
    public var mac: String?
    /// The MTU in bytes.
    public var mtu: Int?
    /// The path of the network namespace; `nil` for an interface on the host.
    public var sandbox: String?
    public var socketPath: String?
    public var pciID: String?

    public init(name: String, mac: String? = nil, mtu: Int? = nil, sandbox: String? = nil) {
      self.name = name
      self.mac = mac
      self.mtu = mtu
      self.sandbox = sandbox
    }
  }

  public struct IP: Equatable, Sendable {
    /// The index into `interfaces`.
    public var interface: Int?
    public var address: IPPrefix
    public var gateway: IPAddress?

    public init(interface: Int? = nil, address: IPPrefix, gateway: IPAddress? = nil) {
      self.interface = interface
      self.address = address
      self.gateway = gateway
    }
  }
}

/// A host port that was chosen for a port of the container.
public struct AllocatedPort: Equatable, Sendable {
  /// The host's address at which the port is published; `nil`: all addresses.
  public var hostIP: IPAddress?
  public var hostPort: UInt16
  public var containerPort: UInt16
  public var transport: TransportProtocol

  public init(_ transport: TransportProtocol, hostIP: IPAddress? = nil, hostPort: UInt16, containerPort: UInt16) {
    self.transport = transport
    self.hostIP = hostIP
    self.hostPort = hostPort
    self.containerPort = containerPort
  }
}

/// A route in the container, as in configurations and results.
public struct Route: Equatable, Sendable {
  public var dst: IPPrefix
  /// The gateway; `nil`: the gateway of the address of the same family.
  public var gw: IPAddress?
  /// The MTU of this route, in bytes.
  public var mtu: Int?
  /// The TCP maximum segment size to announce, in bytes.
  public var advmss: Int?
  /// The metric: the route with the lowest one is used.
  public var priority: Int?
  public var table: Int?
  public var scope: Int?

  public init(dst: IPPrefix, gw: IPAddress? = nil, priority: Int? = nil) {
    self.dst = dst
    self.gw = gw
    self.priority = priority
  }
}

/// The name server settings of a network (spec: `dns`).
public struct DNS: Equatable, Sendable {
  public var nameservers: [String] = []
  public var domain: String?
  public var search: [String] = []
  public var options: [String] = []

  public init(nameservers: [String] = [], domain: String? = nil, search: [String] = [], options: [String] = []) {
    self.nameservers = nameservers
    self.domain = domain
    self.search = search
    self.options = options
  }

  public var isEmpty: Bool { self == DNS() }
}
