public import CNI
public import Etcd
public import NetTypes

/// Who tells a network's hosts of each other, as the key `controlPlane` has it.
public enum ControlPlane: Equatable, Sendable {
  /// A list, in the configuration or in a file that all hosts may share.
  case fixed(peers: [OverlayPeer], file: String?)
  /// Frames to many go to a group, and where the others are is learnt from what they send.
  case multicast(group: IPAddress)
  /// A routing daemon that speaks BGP EVPN (RFC 8365) and programs the device itself.
  case evpn
  case etcd(EtcdPlaneConfig)
}

/// The key `controlPlane` where its type is `etcd`.
public struct EtcdPlaneConfig: Equatable, Sendable {
  public var etcd: EtcdConfig
  /// Where the network's keys are: `/coreos.com/network`.
  public var prefix: String
  /// How long this host's subnet is, where the network's own configuration is still to be made; `nil`: 24, or 64.
  public var subnetLength: Int?
  /// For how many seconds this host's keys stay when it is not heard of.
  public var leaseSeconds: Int

  public static let defaultPrefix = "/coreos.com/network"
  public static let defaultLeaseSeconds = 86400
}

extension ControlPlane: JSONReadable {
  public init(_ json: JSONReader) throws(CNIError) {
    let type = try json.required("type")
    switch try type.text() {
    case "static":
      self = .fixed(peers: try json.objects("peers") ?? [], file: try json.filledText("peersFile"))
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
    prefix = try json.filledText("prefix") ?? Self.defaultPrefix
    while prefix.hasSuffix("/") { prefix.removeLast() }
    subnetLength = try json.integer("subnetLen")
    leaseSeconds = try json.integer("leaseTTL") ?? Self.defaultLeaseSeconds
    guard (10...31_536_000).contains(leaseSeconds) else {
      throw try json.required("leaseTTL").refusal("10 to 31536000 seconds")
    }
    guard prefix.hasPrefix("/") else { throw try json.required("prefix").refusal("an absolute path") }
  }
}
