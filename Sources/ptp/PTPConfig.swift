import CNI
import NetTypes
import PluginKit

/// The `ptp` part of a network configuration, as written; absent keys are `nil`.
struct PTPConfig: JSONReadable, Sendable {
  /// The namespace of the other end; absent means the host.
  let peer: OtherEnd?
  /// The other end's name in the peer namespace.
  let peerInterface: InterfaceName?
  /// Whether the container accepts router advertisements on its link.
  let routerAdvertisements: RouterAdvertisements
  let masquerade: MasqueradeConfig
  /// Largest packet, in bytes; 0 means absent, as with the reference plugin.
  let mtu: Int?
  let enabledad: Bool?
  /// Whether IP forwarding is switched on.
  let ipForward: Bool?
  /// Whether the container's MAC address is `02:42` followed by its IPv4 address.
  let macFromIP: Bool?
  /// The priority of this network's default route; the highest one among the container's networks is used.
  let gwPriority: Int?
  /// The IPAM plugin.
  let ipam: PluginType?

  init(_ json: JSONReader) throws(CNIError) {
    peer = try json.parsed("peer")
    peerInterface = try json.parsed("peerIfName")
    routerAdvertisements = try RouterAdvertisements(json)
    masquerade = try MasqueradeConfig(json)
    mtu = try json.integer("mtu")
    enabledad = try json.flag("enabledad")
    ipForward = try json.flag("ipForward")
    macFromIP = try json.flag("macFromIP")
    gwPriority = try json.integer("gwPriority")
    ipam = try json["ipam"]?.nonEmptyText("type").flatMap(PluginType.init)
  }

  /// The path of another container's namespace; `nil` if the other end is on the host.
  var peerPath: String? { peer?.path }

  /// That namespace, which is used in place of the host's.
  var peerNamespace: PeerNamespace? { peerPath.map { PeerNamespace($0, key: "peer") } }

  /// Whether ADD adds packet filter rules.
  var wantsRules: Bool { masquerade.isOn && peerPath == nil }
}

/// The namespace of the other end of a container's link.
struct OtherEnd: TextCodable {
  static let expectedForm = "\"host\", the path of a namespace, or a name below \(StatePaths.namespaces)"

  /// As written.
  let description: String

  init?(_ text: String) {
    let isName = !text.contains("/") && text != "." && text != ".."
    guard !text.isEmpty, !text.utf8.contains(0), text.hasPrefix("/") || isName else { return nil }
    description = text
  }

  /// The path of the other container's namespace; `nil` for the host.
  var path: String? {
    if description == "host" { return nil }
    return description.hasPrefix("/") ? description : "\(StatePaths.namespaces)/\(description)"
  }
}
