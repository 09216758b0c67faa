import CNI
import NetTypes

private let addressCapabilities: Set = ["mac", "ips", "dns", "ipRanges"]

extension KeyTable {
  static let macvlan = KeyTable(
    "macvlan", "Gives containers a link with a MAC address of its own on a link of the host.",
    capabilities: addressCapabilities,
    [
      Key(
        "mode", .word(["bridge", "private", "vepa", "passthru", "source"]), default: "`bridge`",
        "How links of one master reach each other."),
      Key("sourceMACs", .list(.mac), "With mode `source`, and only there: the addresses that may reach the container."),
      Key("mac", .mac, default: "a random one", "The link's MAC address. Not with `passthru`."),
      Key(
        "bcqueuelen", .int, in: KeyRange.broadcastQueue, orZero: true, default: "the kernel's, 1000",
        "How many broadcast frames may wait on the master, which has the greatest of its links'."),
      Key(
        "hostAccess", .bool, default: "false",
        "The host and the container reach each other. Mode `bridge` alone, and with `ipam`."),
      .policyInContainer,
    ], groups: ["master": Key.masterGroup])

  static let ipvlan = KeyTable(
    "ipvlan", "Gives containers a link with the MAC address of a link of the host.", capabilities: addressCapabilities,
    [
      Key("mode", .word(["l2", "l3", "l3s"]), default: "`l2`", "Where packets are routed."),
      Key(
        "flag", .word(["bridge", "private", "vepa"]), default: "`bridge`",
        "How links of one master reach each other."),
      .policyInContainer,
    ], groups: ["master": Key.masterGroup])

  static let vlan = KeyTable(
    "vlan", "Gives a container a link that carries one VLAN of a link of the host.", capabilities: addressCapabilities,
    [
      Key("vlanId", .int, in: KeyRange.vlanTag, default: "0", "The VLAN; 0 has a tag with a priority and no VLAN.")
    ], groups: ["master": Key.masterGroup])

  static let ptp = KeyTable(
    "ptp", "Connects a container by a veth pair to the host or to another container.",
    capabilities: addressCapabilities,
    [
      Key("ipam", .object, default: Key.required, "The plugin that hands out addresses, `ipam.type`, and its keys."),
      Key(
        "peer", .string, default: "`host`",
        "Where the other end is: `host`, the path of a network namespace, or a name below `\(StatePaths.namespaces)`."),
      Key(
        "peerIfName", .string, default: "as on the host",
        "The other end's name in the peer; it must be free. Only with `peer`."),
      Key(
        "mtu", .int, in: KeyRange.mtu, orZero: true,
        default: "the default route's interface's; between containers 1500",
        "Largest packet of both ends, in bytes; 1280 or more for IPv6."),
      Key.ipForward.with("Whether IP forwarding is enabled. Not with `peer`."),
    ] + Key.masquerade + [.enabledad, .macFromIP, .gwPriority, .acceptRA])

  static let dummy = KeyTable(
    "dummy", "Gives a container a dummy interface, for addresses to listen on.", capabilities: addressCapabilities,
    [
      Key("ipam", .object, default: Key.required, "The plugin that hands out addresses, `ipam.type`, and its keys."),
      .gwPriority, .acceptRA,
    ])

  static let none = KeyTable("none", or: ["loopback"], "Brings the container's loopback interface up.", [])

  static let host = KeyTable("host", "For containers in the host's own network namespace.", [])
}
