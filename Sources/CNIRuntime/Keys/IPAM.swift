import CNI
import NetTypes

extension Key {
  /// One range of addresses.
  static let range: [Key] = [
    Key(
      "subnet", .subnet, default: "the subnets of `bridge`",
      "`10.1.0.0/16`, `fd00::/64`; `auto`: an unused private IPv4 subnet; `auto-ipv6`: an unused unique local /64."),
    Key(
      "rangeStart", .address, default: "the subnet's first for hosts", "The first address that is handed out."),
    Key(
      "rangeEnd", .address, default: "the subnet's last for hosts",
      "The last address that is handed out, but never the broadcast address."),
    Key("gateway", .address, default: "the subnet's first for hosts", "Never handed out."),
    Key(
      "exclude", .list(.string), "Addresses, prefixes and `first-last` spans of this range that are never handed out."),
  ]

  /// The same keys beside `type`: one range, which comes before `ranges`.
  private static let oneRange: [Key] = range.map { key in
    key.name == "exclude"
      ? key.with("Addresses, prefixes and `first-last` spans that are never handed out, in any range.")
      : key.name == "subnet" ? key.with(default: "none") : key
  }

  fileprivate static let ranges: [Key] =
    [
      type,
      Key(
        "ranges", .list(.list(.members(range))),
        "The container gets one address from each inner list, whose ranges are one pool of one family."),
    ] + oneRange + [routes]

  fileprivate static let type = Key("type", .string, default: required, "The plugin: the name of its executable.")

  fileprivate static let resolvConf = Key(
    "resolvConf", .string, "A file in the form of resolv.conf(5) whose settings become the result's `dns`.")

  fileprivate static let routes = Key(
    "routes",
    .list(
      .members([
        Key("dst", .prefix, default: required, "The destination."),
        Key("gw", .address, default: "the gateway", "The next hop."),
        Key("mtu", .int, in: KeyRange.routeNumber, default: "the kernel's", "The largest packet, in bytes."),
        Key("advmss", .int, in: KeyRange.routeNumber, default: "the kernel's", "The MSS that TCP advertises."),
        Key("priority", .int, in: KeyRange.routeNumber, default: "the kernel's", "The metric."),
        Key("table", .int, in: KeyRange.routeNumber, default: "main", "The routing table."),
        Key("scope", .int, in: KeyRange.routeScope, default: "the kernel's", "The scope's number."),
      ])), "Routes for the container: `dst`, and optionally `gw`, `mtu`, `advmss`, `priority`, `table`, `scope`.")

  /// The keys for the connection to an etcd cluster.
  static let etcdCluster: [Key] = [
    Key(
      "endpoints", .either([.string, .list(.string)]), default: "for `etcd` required",
      "Members of the cluster, tried in turn until one answers: `http://10.0.0.1:2379`, `https://…`."),
    Key("caFile", .string, default: "the system's", "Certificates that the members' are checked with."),
    Key("certFile", .string, "This host's own certificate; only with `keyFile`."),
    Key("keyFile", .string, "The key of that certificate."),
    Key("username", .string, "The user; only with `password` or `passwordFile`."),
    Key("password", .string, "The user's password."),
    Key("passwordFile", .string, "A file whose first line is the password."),
  ]
}

extension Key {
  /// The keys of what the hosts of a network share through etcd.
  static func shared(_ things: String, below prefix: String, _ form: String) -> [Key] {
    etcdCluster.map { $0.isEndpoints ? $0.with(default: Key.required) : $0 } + [
      Key("prefix", .string, default: "`\(prefix)`", "Where the \(things) are: \(form)"),
      Key("node", .string, default: "the kernel's host name", "This host's name; no other host may have it."),
      Key(
        "leaseTTL", .int, in: KeyRange.leaseSeconds, default: "86400",
        "How many seconds a host's \(things) stay after its last renewal."),
    ]
  }

  /// Whether it has the addresses of etcd.
  var isEndpoints: Bool { name == "endpoints" }
}

extension KeyTable {
  static let hostLocal = KeyTable(
    "ipam-host-local", or: ["host-local"], "Hands out addresses of ranges and keeps them in files.",
    Key.ranges + [
      Key(
        "dataDir", .string, default: "`\(StatePaths.leases)`", "Where the leases are: `dataDir/NETWORK/ADDRESS`."),
      Key.resolvConf,
      Key(
        "sticky", .bool, default: "false",
        "A container of the same name gets the address it had before, if that is free."),
    ])

  static let etcdIPAM = KeyTable(
    "ipam-etcd", "Hands out addresses of ranges that many hosts share, and keeps them in etcd.",
    Key.ranges + [Key.resolvConf],
    groups: [
      "etcd": Key.etcdCluster.map { $0.isEndpoints ? $0.with(default: "those of `controlPlane`, else required") : $0 }
        + [
          Key("prefix", .string, default: "`/swift-cni/ipam`", "What the keys of all networks begin with."),
          Key(
            "node", .string, default: "the kernel's host name",
            "This host's name in leases: no two hosts may have the same, and it must stay."),
          Key(
            "blockSize", .int, in: KeyRange.blockSize,
            "A power of two: the host reserves blocks of so many addresses for itself and takes from there first."),
        ]
    ])

  static let staticIPAM = KeyTable(
    "static", "Gives the addresses that are written; the reference's plugin.", capabilities: ["ips"],
    [
      Key.type,
      Key(
        "addresses",
        .list(
          .members([
            Key("address", .prefix, default: Key.required, "The address."),
            Key("gateway", .address, "The gateway."),
          ])), "The addresses."),
      Key.routes, Key("dns", Key.dns, "The result's `dns`."),
    ])

  static let dhcp = KeyTable(
    "dhcp", "Asks a DHCP server on the link for addresses; the reference's plugin.",
    [
      Key.type, Key("daemonSocketPath", .string, default: "`\(StatePaths.dhcpSocket)`", "The daemon's socket."),
      Key("priority", .int, "The metric of the routes."),
      Key(
        "request",
        .list(
          .members([
            Key("skipDefault", .bool, "Whether the defaults are left out."), Key("option", .string, "An option."),
          ])), "Options that are requested."),
      Key(
        "provide",
        .list(
          .members([
            Key("option", .string, "An option."), Key("value", .string, "Its value."),
            Key("fromArg", .string, "The argument in `CNI_ARGS` that has its value."),
          ])), "Options that are sent."),
    ])
}
