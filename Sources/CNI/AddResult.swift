public import NetTypes

/// What an ADD made (spec section 5), free of any version's wire form.
public struct AddResult: Equatable, Sendable {
  public var interfaces: [Interface] = []
  public var ips: [IP] = []
  public var routes: [Route] = []
  public var dns = DNS()
  /// Ports of the host that were chosen for the container; ours, beside what the specification has.
  public var portMappings: [AllocatedPort] = []

  public init(interfaces: [Interface] = [], ips: [IP] = [], routes: [Route] = [], dns: DNS = DNS()) {
    self.interfaces = interfaces
    self.ips = ips
    self.routes = routes
    self.dns = dns
  }

  public struct Interface: Equatable, Sendable {
    public var name: String
    /// As the other plugin wrote it: not every link's address has six bytes.
    public var mac: String?
    /// Largest packet, in bytes.
    public var mtu: Int?
    /// The network namespace's path; `nil` on the host.
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
    /// Index into `interfaces`.
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

/// A port of the host that was chosen for one of the container's.
public struct AllocatedPort: Equatable, Sendable {
  /// The address of the host it counts for; `nil`: all.
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

/// A route in the container, as configurations and results write it.
public struct Route: Equatable, Sendable {
  public var dst: IPPrefix
  /// `nil`: the gateway of the address of the same family.
  public var gw: IPAddress?
  /// Largest packet on this route, in bytes.
  public var mtu: Int?
  /// Largest TCP segment to announce, in bytes.
  public var advmss: Int?
  /// The metric: the lowest wins.
  public var priority: Int?
  public var table: Int?
  public var scope: Int?

  public init(dst: IPPrefix, gw: IPAddress? = nil, priority: Int? = nil) {
    self.dst = dst
    self.gw = gw
    self.priority = priority
  }
}

/// Name service of a network (spec: `dns`).
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
