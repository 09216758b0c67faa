import CNI
import NetTypes

extension KeyTable {
  static let bridge = KeyTable(
    "bridge", "Connects containers to a bridge of the host.", capabilities: ["mac", "ips", "dns", "ipRanges"],
    [
      Key("bridge", .string, default: "`cni0`", "The bridge's name, at most 15 bytes."),
      Key(
        "isGateway", .bool, default: "false",
        "The bridge has the gateway's address, the first of the subnet if IPAM names none, and the host forwards."),
      Key(
        "isDefaultGateway", .bool, default: "false",
        "As `isGateway`, and the container's default route uses that gateway."),
      Key(
        "forceAddress", .bool, default: "false",
        "Replaces another address of a bridge that this plugin or the reference made; without it that is an error."),
      Key(
        "mtu", .int, in: KeyRange.mtu, orZero: true,
        default: "that of an existing bridge, else of the default route's interface",
        "Largest packet of both ends and of a new bridge, in bytes; 1280 or more for IPv6."),
      Key.hairpinMode.with("\(Key.hairpinMode.meaning) Not with `promiscMode`."),
      Key("promiscMode", .bool, default: "false", "The bridge is in promiscuous mode."),
      .portIsolation, .enabledad,
      Key("disableContainerInterface", .bool, default: "false", "The container's end stays down; not with `ipam`."),
      Key(
        "vlan", .int, in: VLANID.range, orZero: true,
        "Frames of the container belong to this VLAN. Needs a kernel with bridge VLAN filtering."),
      Key(
        "vlanTrunk", .list(.members(trunk)), "VLANs that pass with their tags: `id`, or `minID` and `maxID`."),
      Key("preserveDefaultVlan", .bool, default: "false", "The port keeps VLAN 1 beside `vlan`."),
      .macFromIP, .gwPriority, .acceptRA, .ipam, .ipForward,
    ] + Key.masquerade + [
      Key(
        "isolation", .word(Key.isolations), default: "`none`", "Which connections may be opened."),
      Key(
        "internal", .bool, default: "false",
        "Containers reach each other and the host's end of the bridge, and nothing else. Not with `ipMasq` or `isDefaultGateway`."
      ),
      .policy, .ipspoofchk, .macLearning,
      Key(
        "macspoofchk", .bool, default: "false",
        "Frames of the container must come from its own MAC address. Needs nftables."),
    ])

  private static let trunk: [Key] = ["id", "minID", "maxID"].map { name in
    Key(
      name, .int, in: VLANID.range,
      name == "id" ? "One VLAN." : "The \(name == "minID" ? "first" : "last") of several VLANs.")
  }
}
