import CNI
import NetTypes
import PluginKit

/// The `ptp` part of a network configuration, as written; absent keys are `nil`.
struct PTPConfig: JSONReadable, Sendable {
  /// Where the other end is; absent: on the host.
  var peer: Peer?
  /// The other end's name in the peer.
  var peerInterface: InterfaceName?
  /// Whether the container listens to routers on its link.
  var routerAdvertisements: RouterAdvertisements
  var masquerade: MasqueradeConfig
  /// Largest packet, in bytes; 0 means absent, as with the reference plugin.
  var mtu: Int?
  var enabledad: Bool?
  /// Whether the host forwards packets.
  var ipForward: Bool?
  /// The container's MAC address is `02:42` and its IPv4 address.
  var macFromIP: Bool?
  /// Of several networks' default routes the one with the highest priority counts.
  var gwPriority: Int?
  /// Who hands out addresses.
  var ipam: PluginType?

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
    ipam = try json["ipam"]?.filledText("type").flatMap(PluginType.init)
  }

  /// The namespace of another container; `nil`: the other end is on the host.
  var peerPath: String? { peer?.path }

  /// Whether an ADD makes packet filter rules.
  var wantsRules: Bool { masquerade.isOn && peerPath == nil }
}

/// Where the other end of a container's link is.
struct Peer: TextCodable {
  static let wanted = "\"host\", the path of a namespace, or a name below \(directory)"

  private static let directory = "/run/netns"

  /// As written.
  let description: String

  init?(_ text: String) {
    let isName = !text.contains("/") && text != "." && text != ".."
    guard !text.isEmpty, !text.utf8.contains(0), text.hasPrefix("/") || isName else { return nil }
    description = text
  }

  /// The other container's namespace; `nil`: the host.
  var path: String? {
    if description == "host" { return nil }
    return description.hasPrefix("/") ? description : "\(Self.directory)/\(description)"
  }
}
