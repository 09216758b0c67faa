public import NetTypes

/// What runtimes put into a configuration beside the operator's own keys: `args`, `runtimeConfig`.
///
/// Decode it next to a plugin's own configuration; both read the same object.
public struct RuntimeKeys: Decodable, Equatable, Sendable {
  public var args: Args?
  public var runtimeConfig: RuntimeConfig?
  public var dns: DNS?

  /// Nothing said.
  public init() {}

  enum CodingKeys: String, CodingKey {
    case args, dns
    case runtimeConfig = "runtimeconfig"
  }

  public struct Args: Decodable, Equatable, Sendable {
    public var cni: CNI?
    public var mesos: Mesos?

    enum CodingKeys: String, CodingKey {
      case cni
      case mesos = "org.apache.mesos"
    }

    /// `args.cni`, as CONVENTIONS.md of the specification describes it.
    public struct CNI: Decodable, Equatable, Sendable {
      public var mac: MACAddress?
      public var ips: [RequestedAddress]?
      /// The container's name.
      public var name: String?
    }
  }

  /// What Mesos' `network/cni` isolator sends.
  public struct Mesos: Decodable, Equatable, Sendable {
    public var networkInfo: NetworkInfo?

    enum CodingKeys: String, CodingKey { case networkInfo = "network_info" }

    public struct NetworkInfo: Decodable, Equatable, Sendable {
      public var addresses: [Address]?
      public var labels: Labels?

      enum CodingKeys: String, CodingKey {
        case addresses = "ip_addresses"
        case labels
      }

      /// The value of the label `key`.
      public func label(_ key: String) -> String? { labels?.labels?.first { $0.key == key }?.value }
    }

    public struct Address: Decodable, Equatable, Sendable {
      /// `nil` where the task only says which family it wants.
      public var address: RequestedAddress?

      enum CodingKeys: String, CodingKey { case address = "ip_address" }
    }

    public struct Labels: Decodable, Equatable, Sendable {
      public var labels: [Label]?
    }

    public struct Label: Decodable, Equatable, Sendable {
      public var key: String
      public var value: String?
    }
  }
}

/// What a runtime gives a plugin that declared a capability.
public struct RuntimeConfig: Decodable, Equatable, Sendable {
  public var mac: MACAddress?
  public var ips: [RequestedAddress]?
  public var dns: RuntimeDNS?

  /// `dns` in either spelling: the specification's, or the Go field names that go-cni sends.
  public struct RuntimeDNS: Decodable, Equatable, Sendable {
    public var servers: [String]?
    public var nameservers: [String]?
    public var searches: [String]?
    public var search: [String]?
    public var options: [String]?
    public var domain: String?

    public var dns: DNS {
      DNS(
        nameservers: servers ?? nameservers ?? [], domain: domain.flatMap { $0.isEmpty ? nil : $0 },
        search: searches ?? search ?? [], options: options ?? [])
    }
  }
}

/// An address somebody asks for: with a prefix length or without.
public struct RequestedAddress: TextCodable {
  public static let wanted = "an address, with or without a prefix length"

  public let address: IPAddress
  /// `nil` where none was written.
  public let length: Int?

  public init?(_ text: String) {
    if let prefix = IPPrefix(text) {
      address = prefix.address
      length = prefix.length
    } else {
      guard let address = IPAddress(text) else { return nil }
      self.address = address
      length = nil
    }
  }

  public var description: String { length.map { "\(address)/\($0)" } ?? address.description }
}

extension RuntimeKeys {
  /// The MAC address asked for; `runtimeConfig` beats `args.cni`, which beats `CNI_ARGS`.
  public func mac(_ arguments: CNIArguments) throws(CNIError) -> MACAddress? {
    if let given = runtimeConfig?.mac ?? args?.cni?.mac { return given }
    return try arguments.value("MAC")
  }

  /// The addresses asked for; the strongest source that names any counts alone.
  ///
  /// `runtimeConfig`, then `args.cni`, then Mesos' `ip_addresses`, then `CNI_ARGS`.
  public func requestedAddresses(_ arguments: CNIArguments) throws(CNIError) -> [RequestedAddress] {
    let mesos = args?.mesos?.networkInfo?.addresses?.compactMap(\.address)
    for source in [runtimeConfig?.ips, args?.cni?.ips, mesos] {
      if let source, !source.isEmpty { return source }
    }
    return try arguments.addresses("IP")
  }

  /// The container's name, where the runtime tells it.
  public func containerName(_ arguments: CNIArguments) -> String? {
    args?.cni?.name ?? args?.mesos?.networkInfo?.label("name") ?? arguments["K8S_POD_NAME"]
  }

  /// Name service the runtime or else the operator wants; empty where neither says.
  public var wantedDNS: DNS {
    if let given = runtimeConfig?.dns?.dns, !given.isEmpty { return given }
    return dns ?? DNS()
  }
}

extension CNIArguments {
  /// A comma-separated list of addresses; empty where the key is absent.
  public func addresses(_ key: String) throws(CNIError) -> [RequestedAddress] {
    var addresses: [RequestedAddress] = []
    for text in (self[key] ?? "").split(separator: ",") {
      guard let address = RequestedAddress(String(text)) else {
        throw CNIError(.invalidEnvironment, "CNI_ARGS: \(key)=\(text): want \(RequestedAddress.wanted)")
      }
      addresses.append(address)
    }
    return addresses
  }
}
