public import NetTypes

/// The result of an ADD (spec section 5); its JSON form depends on the version of the specification.
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
    /// The text as the plugin wrote it, because the address of some links does not have six bytes.
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

extension AddResult {
  /// The result in the JSON form of that version of the specification.
  public func json(_ version: SpecVersion) -> JSONValue {
    var members = version < .v0_3_0 ? singleAddressForm : listForm(version)
    members["cniVersion"] = .string(version.rawValue)
    if version < .v1_0_0 || !dns.isEmpty { members["dns"] = dns.json }
    return .object(members)
  }

  /// The form of 0.1.0 and 0.2.0: one address per family and no interfaces; each route is listed under its family's address.
  private var singleAddressForm: [String: JSONValue] {
    var members: [String: JSONValue] = [:]
    for (key, family) in [("ip4", IPFamily.v4), ("ip6", .v6)] {
      guard let ip = ips.first(where: { $0.address.family == family }) else { continue }
      let own = routes.filter { $0.dst.family == family }
      members[key] = .record([
        "ip": .text(ip.address), "gateway": .text(ip.gateway), "routes": .nonEmpty(own.map { $0.json(.v0_2_0) }),
      ])
    }
    return members
  }

  private func listForm(_ version: SpecVersion) -> [String: JSONValue] {
    var members: [String: JSONValue] = [:]
    members["interfaces"] = .nonEmpty(interfaces.map { $0.json(version) })
    members["ips"] = .nonEmpty(ips.map { $0.json(version) })
    members["routes"] = .nonEmpty(routes.map { $0.json(version) })
    members["portMappings"] = .nonEmpty(portMappings.map { $0.json })
    return members
  }
}

extension AllocatedPort {
  /// The JSON form, with the keys of the capability `portMappings`.
  public var json: JSONValue {
    .record([
      "hostIP": .text(hostIP), "hostPort": .number(hostPort), "containerPort": .number(containerPort),
      "protocol": .text(transport),
    ])
  }
}

extension AddResult.Interface {
  fileprivate func json(_ version: SpecVersion) -> JSONValue {
    let new = version >= .v1_1_0
    return .record([
      "name": .text(name), "mac": .nonEmptyText(mac), "mtu": new ? .number(mtu) : nil,
      "sandbox": .nonEmptyText(sandbox), "socketPath": new ? .nonEmptyText(socketPath) : nil,
      "pciID": new ? .nonEmptyText(pciID) : nil,
    ])
  }
}

extension AddResult.IP {
  fileprivate func json(_ version: SpecVersion) -> JSONValue {
    .record([
      "version": version < .v1_0_0 ? .text(address.family.digit) : nil, "interface": .number(interface),
      "address": .text(address), "gateway": .text(gateway),
    ])
  }
}

extension Route {
  fileprivate func json(_ version: SpecVersion) -> JSONValue {
    guard version >= .v1_1_0 else { return .record(["dst": .text(dst), "gw": .text(gw)]) }
    return .record([
      "dst": .text(dst), "gw": .text(gw), "mtu": .number(mtu), "advmss": .number(advmss),
      "priority": .number(priority), "table": .number(table), "scope": .number(scope),
    ])
  }
}

extension DNS {
  fileprivate var json: JSONValue {
    .record([
      "nameservers": .nonEmptyTexts(nameservers), "domain": .nonEmptyText(domain), "search": .nonEmptyTexts(search),
      "options": .nonEmptyTexts(options),
    ])
  }
}
