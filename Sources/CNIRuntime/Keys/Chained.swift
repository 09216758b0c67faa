import CNI
import NetTypes

extension KeyTable {
  static let tuning = KeyTable(
    "tuning", "Changes an interface and kernel settings of a container.", capabilities: ["mac"],
    [
      Key("mac", .mac, "The interface's MAC address."),
      Key(
        "mtu", .int, in: KeyRange.anyMTU, orZero: true,
        "Largest packet, in bytes; 1280 or more if the interface has an IPv6 address."),
      Key("txQLen", .int, in: KeyRange.transmitQueue, "The length of the transmit queue, in packets."),
      Key("promisc", .bool, "The interface is in promiscuous mode."),
      Key("allmulti", .bool, "The interface receives every multicast packet."),
      Key(
        "sysctl", .object, "Kernel settings below `net` by name: `{\"net.ipv4.conf.IFNAME.arp_notify\": \"1\"}`."),
      Key("dataDir", .string, default: "`\(StatePaths.tuningBackups)`", "Where backups are kept."),
    ])

  static let firewall = KeyTable(
    "firewall", "Accepts a container's packets on a host that forwards only accepted packets.",
    [
      Key(
        "backend", .word(["iptables", "nftables", "firewalld"]), default: "the host's",
        "The packet filter of the rules. If absent: rules in tables and, if firewalld runs, also sources of its zone."),
      Key(
        "firewalldZone", .string, default: "`trusted`",
        "firewalld's zone that gets the container's addresses as sources. Not with `iptables` or `nftables`."),
      Key(
        "iptablesAdminChainName", .string, default: "`CNI-ADMIN`",
        "The operator's chain, evaluated before our rules and made if it is missing. Only with iptables, which it chooses."
      ),
      Key(
        "ingressPolicy", .word(["open", "same-bridge", "isolated"]), default: "`open`",
        "Which connections containers of a bridge accept."),
      .policy,
    ])

  static let portmap = KeyTable(
    "portmap", or: ["mesos-cni-port-mapper"], "Publishes ports of containers on the host.",
    capabilities: ["portMappings"],
    [
      Key.backend.with("The packet filter of the rules."),
      Key(
        "snat", .bool, default: "true",
        "Connections from the container's own network or from the host's loopback addresses get an address of the host."
      ),
      Key(
        "masqAll", .bool, default: "false",
        "As `snat` for every client: the container never sees a client's address. Not with `snat` false."),
      Key(
        "markMasqBit", .int, in: KeyRange.markBit,
        "Packets to be masqueraded get this bit of the packet mark. If absent, conntrack selects them, and no mark is changed."
      ),
      Key(
        "externalSetMarkChain", .string,
        "A chain of the `nat` table that sets a mark, for rules of another program that masquerade. Only with iptables, which it chooses; not with `markMasqBit`."
      ),
      Key("conditionsV4", .list(.string), "Further matches of each IPv4 rule."),
      Key("conditionsV6", .list(.string), "Further matches of each IPv6 rule."),
      Key(
        "hostPortRange", .string, default: "what the host leaves free",
        "`49000-49900`: the range from which host ports are chosen."),
      Key("defaultHostIP", .address, "For mappings without `hostIP`."),
      Key(
        "allowBound", .bool, default: "false",
        "A port that a process of the host has bound may be published; its connections then go to the container."),
      Key(
        "publishAll", .bool, default: "false",
        "Every exposed port that is not mapped gets a free host port. Also in `args.cni`."),
      Key("floatingDevice", .string, "The link that is given floating addresses."),
      Key(
        "etcd",
        .members(
          Key.shared(
            "floating addresses", below: "/swift-cni",
            "`PREFIX/floating/ADDRESS` is `{\"node\", \"container\", \"interface\", \"network\"}`.")),
        "A floating address belongs to one container of all hosts."),
      Key("chain", .string, default: "one of the plugin's own", "The chain that the rules are in."),
      Key("excludeDevices", .list(.string), "Packets that arrive by one of these links are not redirected."),
      Key(
        "delegate", .object, "For runtimes without chains: the plugin to run first."),
    ])

  private static let etcd = Key.shared(
    "names", below: "/swift-cni/names", "`PREFIX/NETWORK/CONTAINER:INTERFACE` is `{\"node\", \"ips\", \"names\"}`.")

  static let dnsHosts = KeyTable(
    "dns-hosts", "Containers of a network find each other by name.", capabilities: ["ips", "aliases", "dns"],
    [
      Key("domain", .string, "Containers have the name `NAME.DOMAIN` too."),
      Key(
        "extraHosts", .list(Key.extraHost),
        "Names for the container's own hosts file alone: `\"NAME:ADDRESS\"` or `{\"ip\": ADDRESS, \"hostnames\": [NAME]}`."
      ),
      Key(
        "hosts", .bool, default: "true; false as `dnsname`",
        "`false`: no container gets a hosts file, and an ADD costs the same in a network of any size."),
      Key(
        "stateDir", .string, default: "`\(StatePaths.dnsHosts)`",
        "Where the attachments are recorded; an absolute path."),
      Key("etcd", .members(etcd), "Shares names with other hosts."),
      Key("delegate", .object, "The plugin to run first, with its own keys."),
    ], groups: ["files": files, "server": server])

  private static let files: [Key] =
    [
      Key("files", .word(["dir", "netns", "mesos"]), default: "`dir`", "Where the files are."),
      Key("dir", .string, default: "`\(StatePaths.containerFiles)`", "The directory of `dir`."),
    ]
    + [("hostsFile", "hosts"), ("resolvConf", "resolv.conf"), ("hostnameFile", "hostname")].map { name, file in
      Key(
        name, .either([.string, .off]), default: "`\(file)` there",
        "An absolute path with `{containerID}` or `{netnsName}` and optionally `{network}`; `false`: no such file.")
    }

  private static let nameServer: [Key] = [
    Key(
      "nameserver", .either([.address, .list(.address)]), default: "the gateways",
      "Where containers find it: first in `resolv.conf` and in the result's `dns`."),
    Key("backend", .word(Key.backends), default: "the host's", "The packet filter that opens port 53."),
  ]

  private static let server: [Key] = [
    Key(
      "dnsmasq",
      .members(
        [
          Key(
            "run", .bool, default: "false; true as `dnsname`",
            "`dns-hosts` runs dnsmasq itself; only `backend` may be beside it."),
          Key(
            "hostsdir", .string, default: "`STATEDIR/NETWORK/hostsdir`",
            "A directory that dnsmasq (2.88 or later) watches, as its `hostsdir`."),
          Key("addn-hosts", .string, "For an older dnsmasq, instead of `hostsdir`: one file, as its `addn-hosts`."),
          Key("pidFile", .string, "With `addn-hosts`: the file with dnsmasq's pid."),
        ] + nameServer), "Gives the names to dnsmasq."),
    Key(
      "coredns",
      .members(
        [Key("hostsfile", .string, default: Key.required, "The file of CoreDNS' plugin `hosts`.")] + nameServer),
      "Gives the names to CoreDNS. Not with `dnsmasq`."),
  ]

  static let dnsname = KeyTable(
    "dnsname", "`dns-hosts` as podman configures it.", capabilities: ["aliases", "dns"],
    [
      Key("domainName", .string, "As `domain`, which counts if both are given."),
      Key("multiDomain", .bool, default: "false", "`true` is refused."),
      Key("remoteServers", .list(.address), default: "the host's", "Name servers for names outside the network."),
    ], groups: ["dns-hosts": dnsHosts.keys])
}
