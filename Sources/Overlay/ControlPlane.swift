public import CNI
public import Etcd
public import NetTypes

/// How the hosts of a network learn of each other: the key `controlPlane`.
public enum ControlPlane: Equatable, Sendable {
  /// A list, in the configuration or in a file that all hosts may share.
  case fixed(peers: [OverlayPeer], file: String?)
  /// Broadcast and unknown frames go to a multicast group; the device learns the other hosts' addresses from their frames.
  case multicast(group: IPAddress)
  /// A routing daemon that speaks BGP EVPN (RFC 8365) and programs the device itself.
  case evpn
  case etcd(EtcdPlaneConfig)
}

/// The key `controlPlane` if its type is `etcd`.
public struct EtcdPlaneConfig: Equatable, Sendable {
  public var etcd: EtcdConfig
  /// The path of the network's keys: `/coreos.com/network`.
  public var prefix: String
  /// Prefix length of this host's subnet if the network's configuration is not in etcd yet; `nil`: 24 for IPv4, 64 for IPv6.
  public var subnetLength: Int?
  /// How long this host's keys stay in etcd without a renewal, in seconds.
  public var leaseSeconds: Int

  public static let defaultPrefix = "/coreos.com/network"
  public static let defaultLeaseSeconds = 86400
}

extension ControlPlane: JSONReadable {
  public init(_ json: JSONReader) throws(CNIError) {
    let type = try json.required("type")
    switch try type.text() {
    case "static":
      self = .fixed(peers: try json.objects("peers") ?? [], file: try json.nonEmptyText("peersFile"))
      if json["peers"] == nil, json["peersFile"] == nil {
        throw CNIError(.invalidNetworkConfig, "key \"\(json.path)\": want \"peers\", \"peersFile\" or both")
      }
    case "multicast": self = .multicast(group: try json.required("group").parsed())
    case "evpn": self = .evpn
    case "etcd": self = .etcd(try EtcdPlaneConfig(json))
    case "consul", "zookeeper", "zk":
      throw CNIError(
        .unsupportedField, "key \"\(type.path)\": \"\(try type.text())\": want static, multicast, evpn or etcd")
    default: throw type.refusal("static, multicast, evpn or etcd")
    }
  }
}

extension EtcdPlaneConfig: JSONReadable {
  public init(_ json: JSONReader) throws(CNIError) {
    etcd = try EtcdConfig(json)
    prefix = try json.nonEmptyText("prefix") ?? Self.defaultPrefix
    while prefix.hasSuffix("/") { prefix.removeLast() }
    subnetLength = try json.integer("subnetLen")
    leaseSeconds = try json.integer("leaseTTL") ?? Self.defaultLeaseSeconds
    guard KeyRange.leaseSeconds.contains(leaseSeconds) else {
      throw try json.required("leaseTTL").refusal("10 to 31536000 seconds")
    }
    guard prefix.hasPrefix("/") else { throw try json.required("prefix").refusal("an absolute path") }
  }
}
