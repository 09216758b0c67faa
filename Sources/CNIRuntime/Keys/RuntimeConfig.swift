import CNI

extension Key {
  /// `runtimeConfig`: what a runtime passes for a capability of the same name.
  static let runtimeConfig: [Key] = [
    Key("mac", .mac, capability: "mac", "The interface's MAC address."),
    Key("ips", .list(.string), capability: "ips", "Addresses for the container, with or without a prefix length."),
    Key("dns", runtimeDNS, capability: "dns", "Name servers and search domains of the container."),
    Key(
      "ipRanges", .list(.list(.members(Key.range))), capability: "ipRanges",
      "Ranges that come before those of `ipam`."),
    Key("aliases", aliases, capability: "aliases", "Other names of the container."),
    Key("hostname", .string, "The container's own host name."),
    Key("portMappings", .list(.members(mapping)), capability: "portMappings", "The ports to publish."),
    exposedPorts, floatingIPs,
  ]

  static let args: [Key] = [
    Key("cni", .open(cniArguments), "Conventions of the CNI project."), mesos,
  ]

  /// `args.cni`: conventions of the specification, and more of the same kind.
  private static let cniArguments: [Key] = [
    Key("mac", .mac, "The interface's MAC address."),
    Key("ips", .list(.string), "Addresses for the container, with or without a prefix length."),
    Key("name", .string, "The container's name."),
    Key("labels", labels, "The label `name` is the container's name too."),
    Key(
      "links", .list(.members(link)),
      "Containers of the network that this one may connect to although they are isolated."),
    Key("dns", dns, "Name servers and search domains of the container."),
    Key("gwPriority", .int, in: KeyRange.gwPriority, "Replaces the network's `gwPriority` for this container."),
    Key("aliases", aliases, "Other names of the container."),
    Key("hosts", .list(extraHost), "Names for this container's hosts file alone, added to `extraHosts`."),
    Key("hostname", .string, "The container's own host name."),
    Key("portMappings", .list(.members(mapping)), "The ports to publish."),
    exposedPorts, floatingIPs,
    Key("publishAll", .bool, default: "false", "As the key `publishAll` of `portmap`."),
    Key("mtu", .int, "For `tuning`: its key `mtu`."),
    Key("txQLen", .int, "For `tuning`: its key `txQLen`."),
    Key("promisc", .bool, "For `tuning`: its key `promisc`."),
    Key("allmulti", .bool, "For `tuning`: its key `allmulti`."),
    Key("sysctl", .object, "For `tuning`: its key `sysctl`."),
  ]

  /// `args."org.apache.mesos"`: what Mesos' `network/cni` isolator writes.
  private static let mesos = Key(
    "org.apache.mesos",
    .open([
      Key(
        "network_info",
        .open([
          Key(
            "ip_addresses", .list(.open([Key("ip_address", .string, "An address.")])), "Addresses for the container."),
          Key("labels", .open([Key("labels", labels, "The labels.")]), "The label `name` is the container's name."),
          Key("groups", .list(.string), "For policies: each is a label `group`."),
          Key("port_mappings", .list(.members(mapping)), "The ports to publish."),
        ]), "The task's `NetworkInfo`.")
    ]), "What Mesos asks for a task.")

  private static let labels = Shape.list(
    .open([Key("key", .string, "The label's name."), Key("value", .string, "The label's value.")]))

  private static let link: [Key] = [
    Key("container", .string, default: required, "The other container's name or identifier."),
    Key("alias", .string, "What this container calls it."),
    Key("ports", .list(.string), "Its ports: `5432/tcp`."),
  ]

  private static let aliases = Shape.either([.list(.string), .object])

  private static let runtimeDNS = Shape.open(
    (dns.members ?? []) + [
      Key("servers", .list(.string), "As `nameservers`; containerd's name for it."),
      Key("searches", .list(.string), "As `search`; containerd's name for it."),
    ])

  /// One published port.
  static let mapping: [Key] = [
    Key("containerPort", .int, in: KeyRange.port, default: "needed", "The port of the container."),
    Key(
      "hostPort", .int, in: KeyRange.port, orZero: true, default: "a free port of `hostPortRange`",
      "The port of the host."),
    Key("protocol", .string, default: "`tcp`", "`tcp`, `udp`, `sctp`, or several with commas between them."),
    Key(
      "hostIP", .address, default: "the key `defaultHostIP`",
      "The address of the host, of a family that the container has; `0.0.0.0` and `::` mean all of their family."),
    Key("hostPortEnd", .int, in: KeyRange.port, orZero: true, "The last of several ports of the host."),
    Key("containerPortEnd", .int, in: KeyRange.port, orZero: true, "The last of several ports of the container."),
    Key("container_port", .int, in: KeyRange.port, "As `containerPort`; Mesos' name for it."),
    Key("host_port", .int, in: KeyRange.port, orZero: true, "As `hostPort`; Mesos' name for it."),
  ]

  private static let exposedPorts = Key(
    "exposedPorts",
    .list(
      .either([
        .string, .int,
        .members([
          Key("port", .int, in: KeyRange.port, default: required, "The port."),
          Key("protocol", .string, default: "`tcp`", "`tcp`, `udp` or `sctp`."),
        ]),
      ])), "What `publishAll` publishes: `\"80/tcp\"`, `80`, `{\"port\": 80, \"protocol\": \"tcp\"}`.")

  private static let floatingIPs = Key(
    "floatingIPs",
    .list(
      .either([
        .address,
        .members([
          Key("ip", .address, default: required, "The address."),
          Key("device", .string, default: "the key `floatingDevice`", "The link that is given the address."),
          Key("move", .bool, default: "false", "Take the address from the container that has it."),
        ]),
      ])), "Addresses whose whole traffic goes to the container.")

  /// One of `extraHosts` and `args.cni.hosts`.
  static let extraHost = Shape.either([
    .string,
    .members([
      Key("ip", .address, default: required, "The address."),
      Key("hostnames", .list(.string), default: required, "Its names."),
    ]),
  ])
}
