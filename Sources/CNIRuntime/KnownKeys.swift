/// What a key's value has to be.
indirect enum Shape: Sendable {
  case string, bool, int, object
  case address, prefix, mac
  /// More kinds than one: the plugin tells.
  case anything
  /// A prefix, or a word that lets the plugin choose.
  case subnet
  /// One of these words.
  case word([String])
  case list(Shape)
  case members([String: Shape])
}

/// The keys that each plugin reads, for finding those it does not.
enum KnownKeys {
  /// Keys of a network list itself.
  static let list: [String: Shape] = [
    "name": .string, "cniVersion": .string, "cniVersions": .list(.string), "plugins": .list(.object),
    "disableCheck": .bool, "disableGC": .bool, "loadOnlyInlinedPlugins": .bool,
  ]

  /// `nil` for a plugin that is not known here.
  static func plugin(_ type: String) -> [String: Shape]? {
    switch type {
    case "bridge": common.merging(bridge) { own, _ in own }
    case "dummy": common.merging(["gwPriority": .int, "acceptRA": .bool]) { own, _ in own }
    case "firewall": common.merging(firewall) { own, _ in own }
    case "ipvlan": common.merging(ipvlan) { own, _ in own }
    case "macvlan": common.merging(macvlan) { own, _ in own }
    case "portmap", "mesos-cni-port-mapper": common.merging(portmap) { own, _ in own }
    case "ptp": common.merging(ptp) { own, _ in own }
    case "tuning": common.merging(tuning) { own, _ in own }
    case "dns-hosts": common.merging(dnsHosts) { own, _ in own }
    case "dnsname":
      common.merging(dnsHosts) { own, _ in own }.merging([
        "domainName": .string, "multiDomain": .bool, "remoteServers": .list(.address),
      ]) { own, _ in own }
    case "vlan": common.merging(vlan) { own, _ in own }
    case "overlay-vxlan": common.merging(overlay) { own, _ in own }
    case "none", "loopback", "host": common
    default: nil
    }
  }

  /// `nil` for a plugin that is not known here.
  static func ipam(_ type: String) -> [String: Shape]? {
    switch type {
    case "host-local", "ipam-host-local": hostLocal
    case "ipam-etcd": etcd
    case "static": staticAddresses
    case "dhcp": dhcp
    default: nil
    }
  }

  static func isKnown(_ type: String) -> Bool { plugin(type) != nil || ipam(type) != nil }

  private static let links: Set = ["bridge", "macvlan", "ipvlan", "vlan", "ptp", "dummy", "overlay-vxlan"]
  private static let names: Set = ["dns-hosts", "dnsname"]

  /// What runtimes offer, and which plugins take it.
  static let capabilities: [String: Set<String>] = [
    "portMappings": ["portmap", "mesos-cni-port-mapper"], "ips": links.union(["dns-hosts", "static"]),
    "mac": links.union(["tuning"]), "aliases": names, "dns": links.union(names), "bandwidth": ["bandwidth"],
    "ipRanges": links, "infinibandGUID": ["ib-sriov"], "deviceID": ["sriov", "host-device"],
  ]

  /// Keys that the specification gives every plugin.
  private static let common: [String: Shape] = [
    "cniVersion": .string, "name": .string, "type": .string, "capabilities": .object, "ipam": .object, "dns": dns,
    "args": .object, "runtimeConfig": .object, "prevResult": .object,
  ]

  private static let bridge: [String: Shape] = [
    "bridge": .string, "isGateway": .bool, "isDefaultGateway": .bool, "forceAddress": .bool,
    "ipMasq": .bool, "ipMasqBackend": backend, "ipMasqRandomFully": .bool,
    "mtu": .int, "hairpinMode": .bool, "promiscMode": .bool,
    "vlan": .int, "vlanTrunk": .list(.members(["id": .int, "minID": .int, "maxID": .int])),
    "preserveDefaultVlan": .bool,
    "macspoofchk": .bool, "ipspoofchk": .bool, "enabledad": .bool, "disableContainerInterface": .bool,
    "portIsolation": .bool,
    "macFromIP": .bool, "gwPriority": .int, "isolation": .word(["none", "network", "container"]), "internal": .bool,
    "ipForward": .bool, "macLearning": .bool, "backend": backend, "acceptRA": .bool,
  ]

  private static let backend = Shape.word(["iptables", "nftables"])

  /// What every link on top of another takes.
  private static let upper: [String: Shape] = [
    "master": .string, "mtu": .int, "linkInContainer": .bool, "enabledad": .bool, "gwPriority": .int,
    "acceptRA": .bool,
  ]

  private static let macvlan: [String: Shape] = upper.merging([
    "mode": .word(["bridge", "private", "vepa", "passthru", "source"]), "sourceMACs": .list(.mac), "mac": .mac,
    "bcqueuelen": .int, "hostAccess": .bool,
  ]) { own, _ in own }

  private static let ipvlan: [String: Shape] = upper.merging([
    "mode": .word(["l2", "l3", "l3s"]), "flag": .word(["bridge", "private", "vepa"]),
  ]) { own, _ in own }

  private static let vlan: [String: Shape] = upper.merging(["vlanId": .int]) { own, _ in own }

  private static let ptp: [String: Shape] = [
    "ipMasq": .bool, "ipMasqBackend": backend, "ipMasqRandomFully": .bool, "backend": backend, "ipForward": .bool,
    "mtu": .int, "macFromIP": .bool, "gwPriority": .int, "enabledad": .bool, "peer": .string, "peerIfName": .string,
    "acceptRA": .bool,
  ]

  private static let overlay: [String: Shape] = [
    "mode": .word(["l2", "l3"]), "vni": .int, "dstport": .int, "local": .string, "dev": .string, "ttl": .int,
    "df": .word(["unset", "set", "inherit"]), "learning": .bool, "udpcsum": .bool, "udp6zerocsumtx": .bool,
    "udp6zerocsumrx": .bool, "txChecksumOffload": .bool, "bridge": .string, "vxlan": .string, "vtepMac": .string,
    "gatewayMac": .mac, "mtu": .int, "network": .anything, "isGateway": .bool, "isDefaultGateway": .bool,
    "ipMasq": .bool, "ipMasqBackend": backend, "ipMasqRandomFully": .bool, "backend": backend, "ipForward": .bool,
    "macFromIP": .bool, "enabledad": .bool, "acceptRA": .bool, "gwPriority": .int, "hairpinMode": .bool,
    "portIsolation": .bool,
    "isolation": .word(["none", "network", "container"]), "directRouting": .bool, "neighSuppress": .bool,
    "vrf": .string, "vrfTable": .int, "l3vni": .int, "macLearning": .bool, "ipspoofchk": .bool,
    "controlPlane": .members([
      "type": .word(["static", "multicast", "evpn", "etcd"]), "peers": .list(.members(overlayPeer)),
      "peersFile": .string, "group": .address, "endpoints": .anything, "caFile": .string, "certFile": .string,
      "keyFile": .string, "username": .string, "password": .string, "passwordFile": .string, "prefix": .string,
      "subnetLen": .int, "leaseTTL": .int,
    ]),
  ]

  private static let overlayPeer: [String: Shape] = [
    "vtep": .address, "vtepMac": .mac, "subnet": .string, "subnets": .list(.string),
    "endpoints": .list(.members(["ip": .address, "mac": .mac])),
  ]

  private static let firewall: [String: Shape] = [
    "backend": .word(["iptables", "nftables", "firewalld"]), "firewalldZone": .string,
    "iptablesAdminChainName": .string,
    "ingressPolicy": .word(["open", "same-bridge", "isolated"]),
  ]

  private static let portmap: [String: Shape] = [
    "backend": backend, "snat": .bool, "conditionsV4": .list(.string), "conditionsV6": .list(.string),
    "masqAll": .bool, "markMasqBit": .int, "externalSetMarkChain": .string, "hostPortRange": .string,
    "defaultHostIP": .address, "allowBound": .bool, "publishAll": .bool, "floatingDevice": .string,
    "chain": .string, "excludeDevices": .list(.string), "delegate": .object,
  ]

  private static let dnsHosts: [String: Shape] = [
    "domain": .string, "hosts": .bool, "stateDir": .string, "delegate": .object,
    "files": .word(["dir", "netns", "mesos"]), "dir": .string,
    "hostsFile": .anything, "resolvConf": .anything, "hostnameFile": .anything, "extraHosts": .list(.anything),
    "dnsmasq": .members([
      "run": .bool, "hostsdir": .string, "addn-hosts": .string, "pidFile": .string, "nameserver": .anything,
      "backend": backend,
    ]),
    "coredns": .members(["hostsfile": .string, "nameserver": .anything, "backend": backend]),
    "etcd": .members(etcdCluster.merging(["prefix": .string, "node": .string, "leaseTTL": .int]) { own, _ in own }),
  ]

  /// How an etcd cluster is reached.
  static let etcdCluster: [String: Shape] = [
    "endpoints": .anything, "caFile": .string, "certFile": .string, "keyFile": .string, "username": .string,
    "password": .string, "passwordFile": .string,
  ]

  private static let tuning: [String: Shape] = [
    "dataDir": .string, "sysctl": .object, "mac": .mac, "promisc": .bool, "mtu": .int, "txQLen": .int,
    "allmulti": .bool,
  ]

  private static let dns = Shape.members([
    "nameservers": .list(.string), "domain": .string, "search": .list(.string), "options": .list(.string),
  ])

  private static let routes = Shape.list(
    .members([
      "dst": .prefix, "gw": .address, "mtu": .int, "advmss": .int, "priority": .int, "table": .int, "scope": .int,
    ]))

  private static let range: [String: Shape] = [
    "subnet": .subnet, "rangeStart": .address, "rangeEnd": .address, "gateway": .address, "exclude": .list(.string),
  ]

  private static let hostLocal: [String: Shape] = range.merging([
    "type": .string, "ranges": .list(.list(.members(range))), "routes": routes, "dataDir": .string,
    "resolvConf": .string, "sticky": .bool,
  ]) { own, _ in own }

  private static let etcd: [String: Shape] = range.merging([
    "type": .string, "ranges": .list(.list(.members(range))), "routes": routes, "resolvConf": .string,
    "endpoints": .anything, "caFile": .string, "certFile": .string, "keyFile": .string, "username": .string,
    "password": .string, "passwordFile": .string, "prefix": .string, "node": .string, "blockSize": .int,
  ]) { own, _ in own }

  private static let staticAddresses: [String: Shape] = [
    "type": .string, "addresses": .list(.members(["address": .prefix, "gateway": .address])), "routes": routes,
    "dns": dns,
  ]

  private static let dhcp: [String: Shape] = [
    "type": .string, "daemonSocketPath": .string, "priority": .int,
    "request": .list(.members(["skipDefault": .bool, "option": .string])),
    "provide": .list(.members(["option": .string, "value": .string, "fromArg": .string])),
  ]
}
