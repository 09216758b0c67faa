import CNI

extension KeyTable {
  static let overlay = KeyTable(
    "overlay-vxlan", "Connects containers of several hosts by VXLAN.", capabilities: ["mac", "ips", "dns", "ipRanges"],
    [
      Key(
        "controlPlane", .members(controlPlane), default: Key.required,
        "Where the addresses of the other hosts come from."),
      Key(
        "mode", .word(["l2", "l3"]), default: "`l3` for `static` and `etcd`, else `l2`",
        "`l3`: each host has a subnet; `l2`: one subnet spans all hosts. `multicast` and `evpn` take `l2` alone."),
      Key(
        "vni", .int, in: KeyRange.vni, default: "what etcd says, else required",
        "The VXLAN network identifier, the same on all hosts."),
      Key(
        "dstport", .int, in: KeyRange.port, default: "4789; with `etcd` what that says, or 8472 as flannel",
        "The UDP port."
      ),
      Key("local", .string, default: "`auto`", "This host's underlay address."),
      Key("dev", .string, default: "as the routes say", "The underlay's link; required for `multicast`."),
      Key("ttl", .int, in: KeyRange.ttl, default: "the kernel's", "The TTL of the outer packets."),
      Key(
        "df", .word(["unset", "set", "inherit"]), default: "the kernel's",
        "The bit \"don't fragment\" of the outer packets."),
      Key(
        "learning", .bool, default: "with `multicast` true, else false",
        "The device learns from arriving packets where addresses are. Not in mode `l3`, not with `evpn`."),
      Key("udpcsum", .bool, default: "the kernel's", "As in `ip-link(8)`."),
      Key("udp6zerocsumtx", .bool, default: "the kernel's", "As in `ip-link(8)`."),
      Key("udp6zerocsumrx", .bool, default: "the kernel's", "As in `ip-link(8)`."),
      Key(
        "txChecksumOffload", .bool, default: "as it is",
        "`false`: the kernel computes checksums itself, for underlays that corrupt them."),
      Key("bridge", .string, default: "`ov-NETWORK`", "The bridge's name."),
      Key("vxlan", .string, default: "`vx-NETWORK`", "The VXLAN device's name."),
      Key(
        "vtepMac", .string, default: "`auto`",
        "The device's MAC address; `auto`: derived from `local` and `vni`, so that every host can compute it."),
      Key(
        "gatewayMac", .mac, default: "derived from `vni`", "Mode `l2`: the bridge's MAC address, the same on all hosts."
      ),
      Key(
        "mtu", .int, in: KeyRange.mtu, orZero: true, default: "the largest that fits",
        "Largest packet of containers, in bytes; no more than fits."),
      Key(
        "network", .either([.prefix, .list(.prefix)]), default: "what etcd says",
        "The network's prefixes on all hosts. Mode `l3` needs it for `ipMasq` and `directRouting`."),
      Key(
        "isGateway", .bool, default: "true",
        "The bridge has the gateway's address, in mode `l2` on every host the same one. Mode `l3` takes no `false`."),
      Key("isDefaultGateway", .bool, default: "as `isGateway`", "The container's default route leads there."),
      Key(
        "directRouting", .bool, default: "what etcd says, or false",
        "Mode `l3`: packets to hosts on the same link bypass the tunnel, through a route with the metric 2^30 + `vni`."
      ),
      Key(
        "neighSuppress", .bool, default: "true, with `learning` false",
        "Mode `l2`: the bridge answers ARP and neighbour discovery itself and does not send them to other hosts."),
      .policy, .ipspoofchk, .macLearning,
      Key(
        "isolation", .word(Key.isolations), default: "`network`; `none` if `policy` limits both directions",
        "As for `bridge`; `container` also keeps containers of different hosts apart."),
      Key(
        "macFromIP", .bool, default: "true",
        "The container's MAC address is derived from its address, so that a later container with that address has the same."
      ),
    ] + Key.masquerade + [
      .ipForward, .enabledad, .acceptRA, .gwPriority, .hairpinMode, .portIsolation,
      Key(
        "ipam", .object, default: "in mode `l3` required",
        "The plugin that hands out addresses. `dhcp` only in mode `l2` without `etcd`."),
    ], groups: ["vrf": vrf])

  private static let vrf: [Key] = [
    Key(
      "vrf", .string,
      "The VRF that the network's bridge belongs to, made if it is missing. Not with `ipMasq` or `isGateway: false`."),
    Key(
      "vrfTable", .int, in: KeyRange.routingTable, default: "2^30 + `l3vni`, or + `vni`",
      "The VRF's routing table, not 253 to 255; an existing VRF keeps its own, and another one is refused."),
    Key(
      "l3vni", .int, in: KeyRange.vni,
      "The VNI of packets between the VRF's networks on different hosts."),
  ]

  private static let controlPlane: [Key] =
    [
      Key(
        "type", .word(["static", "multicast", "evpn", "etcd"]), default: Key.required, "How the other hosts are found."),
      Key("peers", .list(.members(peer)), "`static`: the other hosts."),
      Key("peersFile", .string, "`static`: a file with a list of hosts, or an object with the key `peers`."),
      Key("group", .address, default: "for `multicast` required", "`multicast`: the multicast group."),
    ] + Key.etcdCluster + [
      Key(
        "prefix", .string, default: "`/coreos.com/network`",
        "`etcd`: the prefix of the network's keys; each network needs its own."),
      Key(
        "subnetLen", .int, default: "24, or 64 for IPv6",
        "`etcd`: the length of each host's subnet, if this host writes the network's configuration."),
      Key(
        "leaseTTL", .int, in: KeyRange.leaseSeconds, default: "86400",
        "`etcd`: how many seconds this host's keys stay after its last renewal."),
    ]

  private static let peer: [Key] = [
    Key("vtep", .address, default: Key.required, "Its `local`, of the same family as this host's."),
    Key("subnet", .string, "Mode `l3`: the subnet of its containers; this key or `subnets` is required."),
    Key("subnets", .list(.string), "Mode `l3`: the subnets of its containers."),
    Key("vtepMac", .mac, default: "derived", "Mode `l3`: its device's MAC address."),
    Key(
      "endpoints",
      .list(
        .members([
          Key("ip", .address, default: Key.required, "The container's address."),
          Key("mac", .mac, default: "derived", "The container's MAC address."),
        ])), "Mode `l2`: its containers, a list of `ip` and `mac`. Frames to others are sent to every host."),
  ]
}
