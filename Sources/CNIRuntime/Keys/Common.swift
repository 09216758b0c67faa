import CNI

extension Key {
  /// Keys of a network list itself.
  static let list: [Key] = [
    Key("name", .string, default: required, "The network's name."),
    Key("cniVersion", .string, default: "0.1.0", "The version of the CNI specification that runtime and plugins use."),
    Key("cniVersions", .list(.string), "Versions that may be used; the newest common one counts."),
    Key("plugins", .list(.object), "The plugins, run in this order by ADD and in the reverse order by DEL."),
    Key("disableCheck", .bool, default: "false", "The runtime runs no CHECK on this network."),
    Key("disableGC", .bool, default: "false", "The runtime runs no GC on this network."),
    Key(
      "loadOnlyInlinedPlugins", .bool, default: "false",
      "Files in the directory named after the network add no plugins."),
  ]

  /// Keys that the specification gives every plugin.
  static let common: [Key] = [
    Key("cniVersion", .string, default: "0.1.0", "The version of the CNI specification; a list's own key counts."),
    Key("name", .string, default: "the list's", "The network's name."),
    Key("type", .string, default: required, "The plugin: the name of its executable."),
    Key("capabilities", .object, "What the runtime may pass in `runtimeConfig`: `{\"mac\": true}`."),
    Key("ipam", .object, "The plugin that hands out addresses, `ipam.type`, and its keys."),
    Key("dns", dns, "Name servers and search domains of the container; a list that is written replaces those of IPAM."),
    Key(
      "args", .open(args), "What a runtime asks for one container."),
    Key("runtimeConfig", .open(runtimeConfig), "What the runtime passes for the declared capabilities."),
    Key("prevResult", .object, "The result of the plugin before this one; the runtime writes it."),
  ]

  static let dns = Shape.members([
    Key("nameservers", .list(.string), "Addresses of name servers."),
    Key("domain", .string, "The local domain."),
    Key("search", .list(.string), "Domains that short names are looked up in."),
    Key("options", .list(.string), "Options of resolv.conf(5)."),
  ])

  static let ipam = Key(
    "ipam", .object,
    "The plugin that hands out addresses, `ipam.type`, and its keys. Without it the interface has none.")

  static let backend = Key(
    "backend", .word(backends), default: "the host's", "The packet filter of all rules of the network.")

  static let backends = ["iptables", "nftables"]
  static let isolations = ["none", "network", "container"]

  static let masquerade: [Key] = [
    Key(
      "ipMasq", .bool, default: "false",
      "Packets that leave the container's subnet get the host's address as source, except multicast."),
    Key("ipMasqRandomFully", .bool, default: "false", "Source ports are drawn at random. Only with `ipMasq`."),
    Key("ipMasqBackend", .word(backends), default: "the host's", "As `backend`; if both are given they must be equal."),
    backend,
  ]

  static let ipForward = Key(
    "ipForward", .bool, default: "true", "Whether IP forwarding is enabled if the host is a gateway.")

  static let macFromIP = Key(
    "macFromIP", .bool, default: "false", "The container's MAC address is `02:42` and its IPv4 address.")

  static let enabledad = Key(
    "enabledad", .bool, default: "false",
    "IPv6 addresses are checked for duplicates before they can be used, which takes a second or two.")

  static let gwPriority = Key(
    "gwPriority", .int, in: KeyRange.gwPriority, default: "0",
    "Of a container's networks, the one with the highest priority has the default route.")

  static let acceptRA = Key(
    "acceptRA", .bool, default: "false with addresses of `ipam`, except `dhcp`; else the kernel's",
    "Whether the container accepts IPv6 router advertisements. Any host on its link can send them.")

  static let hairpinMode = Key(
    "hairpinMode", .bool, default: "false",
    "The port sends packets back to the container that sent them, so that it reaches itself by the host's address.")

  static let portIsolation = Key(
    "portIsolation", .bool, default: "false", "Containers reach the host but not each other.")

  static let ipspoofchk = Key(
    "ipspoofchk", .bool, default: "true with `isolation`",
    "IPv4, IPv6 and ARP of the container must come from its own addresses, or link-local IPv6 ones. Needs nftables.")

  static let macLearning = Key(
    "macLearning", .bool, default: "false",
    "The bridge learns which MAC addresses are behind the container: for a container that bridges itself.")

  /// The keys of every link with a master.
  static let masterGroup: [Key] = [
    Key("master", .string, default: "the default route's link", "The parent link. Required for `vlan`."),
    Key(
      "mtu", .int, in: KeyRange.mtu, orZero: true, default: "the master's",
      "Largest packet, in bytes; at most the master's, and 1280 or more for IPv6."),
    Key("linkInContainer", .bool, default: "false", "The master is in the container."),
    enabledad, gwPriority, acceptRA,
    ipam.with("The plugin that hands out addresses. Without it the interface has none, except a chained `ipvlan`."),
  ]
}
