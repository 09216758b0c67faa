public import CNI
public import NetTypes

/// A network in the form of `docker network inspect`, for `cnictl network inspect`.
public struct NetworkReport: Equatable, Sendable {
  public var name: String
  /// 64 hexadecimal digits.
  public var id: String
  public var driver: String
  /// By container.
  public var containers: [String: Endpoint]

  /// A container's interface on the network.
  public struct Endpoint: Equatable, Sendable {
    /// 64 hexadecimal digits that stay the same as long as network, container and interface do.
    public var endpoint: String
    /// Empty, like both addresses, if the interface has none.
    public var macAddress: String
    public var ipv4Address: String
    public var ipv6Address: String
    /// Ports of the host that were chosen for it.
    public var portMappings: [AllocatedPort] = []
  }

  /// `attachments` are this network's entries in the cache.
  public init(_ network: ConfigDirectory.Entry, attachments: [ResultCache.Entry]) {
    name = network.list.name.description
    id = network.id
    driver = network.list.driver
    containers = [:]
    for entry in attachments {
      let owner = entry.attachment.owner
      // A container's second interface on the same network needs a key of its own.
      let key =
        containers[owner.container.description] == nil ? "\(owner.container)" : "\(owner.container)/\(owner.interface)"
      containers[key] = Endpoint(entry)
    }
  }
}

extension NetworkReport {
  public var json: JSONValue {
    .record([
      "name": .text(name), "id": .text(id), "driver": .text(driver),
      "containers": .object(containers.mapValues(\.json)),
    ])
  }
}

extension NetworkReport.Endpoint {
  fileprivate var json: JSONValue {
    .record([
      "endpoint": .text(endpoint), "mac_address": .text(macAddress), "ipv4_address": .text(ipv4Address),
      "ipv6_address": .text(ipv6Address), "port_mappings": .nonEmpty(portMappings.map(\.json)),
    ])
  }

  init(_ entry: ResultCache.Entry) {
    let owner = entry.attachment.owner
    let result = entry.addResult
    endpoint = SHA256.hex("\(owner.network)\0\(owner.container)\0\(owner.interface)")
    macAddress = result.containerInterface(owner.interface)?.mac ?? ""
    ipv4Address = result.address(.v4, on: owner.interface)
    ipv6Address = result.address(.v6, on: owner.interface)
    portMappings = result.portMappings
  }
}

extension AddResult {
  /// The interface of that name in the container.
  public func containerInterface(_ name: InterfaceName) -> Interface? {
    interfaces.first { $0.name == name.description && $0.sandbox?.isEmpty == false }
  }

  /// The first address of that family on the container's interface; empty without one.
  ///
  /// An address without an interface counts as the container's.
  public func address(_ family: IPFamily, on name: InterfaceName) -> String {
    let own = ips.first { ip in
      guard ip.address.family == family else { return false }
      guard let index = ip.interface, interfaces.indices.contains(index) else { return true }
      return interfaces[index].name == name.description
    }
    return own?.address.description ?? ""
  }
}
