import CNI
import EtcdRecords
import IPAM
import Names
import NetTypes
import Overlay
import PluginKit
import Services
import Synchronization
import Testing

@testable import CNIRuntime
@testable import bridge
@testable import dns_hosts
@testable import dummy
@testable import firewall
@testable import ipvlan
@testable import macvlan
@testable import portmap
@testable import ptp
@testable import service
@testable import tuning
@testable import vlan

/// The keys that the plugins look up, compared with the key tables.
///
/// The documents contain every object and list, so that the readers of their members run too.
@Suite struct KeyReaderTests {
  private typealias Reader = @Sendable (JSONReader) throws -> Void

  /// Each plugin's reader, and its keys that have members or exclude each other.
  private static let readers: [String: (read: Reader, documents: [String])] = [
    "bridge": ({ _ = try BridgeConfig($0) }, [#"{"vlanTrunk":[{"id":7}],\#(policy)}"#]),
    "overlay-vxlan": ({ _ = try OverlayConfig($0) }, controlPlanes.map { #"{"controlPlane":\#($0),\#(policy)}"# }),
    "macvlan": ({ _ = try MacvlanConfig($0) }, ["{\(policy)}"]),
    "ipvlan": ({ _ = try IPVLANConfig($0) }, ["{\(policy)}"]),
    "vlan": ({ _ = try VLANConfig($0) }, ["{}"]), "ptp": ({ _ = try PTPConfig($0) }, ["{}"]),
    "dummy": ({ _ = try DummyConfig($0) }, ["{}"]), "tuning": ({ _ = try TuningConfig($0) }, ["{}"]),
    "portmap": (
      { _ = try PortmapConfig($0) }, [#"{"delegate":{"type":"bridge"},"etcd":{"endpoints":"http://10.0.0.1:2379"}}"#]
    ),
    "firewall": ({ _ = try FirewallConfig($0) }, ["{\(policy)}"]),
    "service": (
      { _ = try ServiceConfig($0) },
      [#""tcp":80"#, #""http":"/","port":80"#].map {
        #"""
        {"ports":[{"port":80}],"publish":[{"hostPort":80}],"resolve":"vip","delegate":{"type":"bridge"},
         "engine":"haproxy","haproxy":{"mode":"http","certificate":"/web.pem"},
         "health":{\#($0)},"etcd":{"endpoints":"http://10.0.0.1:2379"}}
        """#
      }
    ),
    "dns-hosts": ({ _ = try DNSHostsConfig($0) }, servers),
    "dnsname": ({ _ = try DNSHostsConfig($0) }, servers + [#"{"hosts":true}"#]),
    // These two plugins have no keys of their own.
    "none": ({ _ in }, ["{}"]), "host": ({ _ in }, ["{}"]),
  ]

  private static let policy =
    #""policy":{"ingress":[{"from":{"cidr":"10.0.0.0/8"}}],"egress":[{"to":{"cidr":"10.0.0.0/8"}}]}"#

  private static let controlPlanes = [
    """
    {"type":"static","peersFile":"/etc/peers",
     "peers":[{"vtep":"10.0.0.2","endpoints":[{"ip":"10.1.0.9","mac":"02:00:00:00:00:09"}]}]}
    """,
    #"{"type":"multicast","group":"239.1.1.1"}"#, #"{"type":"evpn"}"#,
    #"{"type":"etcd","endpoints":["http://10.0.0.1:2379"]}"#,
  ]

  private static let servers = [
    """
    {"dnsmasq":{"addn-hosts":"/run/hosts","pidFile":"/run/pid"},"extraHosts":[{"ip":"10.1.0.3","hostnames":["a"]}],
     "etcd":{"endpoints":"http://10.0.0.1:2379"},"delegate":{"type":"bridge"}}
    """,
    #"{"dnsmasq":{"run":true}}"#, #"{"coredns":{"hostsfile":"/run/hosts"}}"#,
  ]

  @Test(arguments: KeyTables.plugins.map(\.name))
  func `a plugin reads the keys of its table and no others`(plugin: String) throws {
    let lookups = try Self.lookups(of: plugin)
    let table = Self.paths(of: KeyTables.plugin(plugin) ?? [])
    let own = lookups.filter { path in !Self.sharedObjects.contains { path.hasPrefix($0) } }
    let tableOwn = table.filter { path in !Self.sharedObjects.contains { path.hasPrefix($0) } }
    // The runtime reads `capabilities`.
    #expect(tableOwn.subtracting(own) == ["capabilities"], "in the table, not in the code")
    #expect(own.subtracting(tableOwn).isEmpty, "in the code, not in the table")
    let ipam = lookups.filter { $0.hasPrefix("ipam.") }
    let tableKeys = KeyTables.ipam.reduce(into: Set<String>()) { $0.formUnion(Self.paths(of: $1.keys, at: "ipam.")) }
    #expect(ipam.subtracting(tableKeys).isEmpty, "in the code, not in the tables of IPAM plugins")
  }

  @Test func `the plugins read the keys of args and runtimeConfig and no others`() throws {
    var lookups: Set<String> = []
    for plugin in Self.readers.keys { lookups.formUnion(try Self.lookups(of: plugin)) }
    for plugin in ["ipam-host-local", "ipam-etcd"] { lookups.formUnion(try Self.ipamLookups(of: plugin)) }
    let readKeys = lookups.filter { $0.hasPrefix("args.") || $0.hasPrefix("runtimeConfig.") }
    let table = Self.paths(of: Key.common).filter { $0.hasPrefix("args.") || $0.hasPrefix("runtimeConfig.") }
    #expect(table.subtracting(readKeys).isEmpty, "in the table, not in the code")
    #expect(readKeys.subtracting(table).isEmpty, "in the code, not in the table")
  }

  @Test(arguments: ["ipam-host-local", "ipam-etcd"])
  func `an IPAM plugin reads the keys of its table and no others`(plugin: String) throws {
    let lookups = try Self.ipamLookups(of: plugin)
    let table = Self.paths(of: KeyTables.ipam(plugin) ?? [], at: "ipam.")
    let readKeys = lookups.filter { $0.hasPrefix("ipam.") }
    #expect(table.subtracting(readKeys).isEmpty, "in the table, not in the code")
    // ipam-etcd refuses these keys with code 2.
    let refused: Set = plugin == "ipam-etcd" ? ["ipam.dataDir", "ipam.sticky"] : []
    #expect(readKeys.subtracting(table) == refused, "in the code, not in the table")
    let all = KeyTables.plugins.reduce(into: Set<String>()) { tableKeys, table in
      tableKeys.formUnion(Self.paths(of: table.keys + Key.common))
    }
    let others = lookups.subtracting(readKeys).filter { !$0.hasPrefix("prevResult.") }
    #expect(others.subtracting(all).isEmpty, "in the code, not in the tables of the other plugins")
  }

  @Test(arguments: KeyTables.plugins.map(\.name))
  func `a plugin refuses a value of another type than its table has`(plugin: String) throws {
    let (read, documents) = try #require(Self.readers[plugin])
    let document = try #require(try Self.variants(of: documents[0], type: plugin)[0].object)
    for key in KeyTables.plugin(plugin) ?? [] where key.name != "capabilities" {
      guard let wrong = key.shape.wrongValue else { continue }
      let reader = JSONReader(.object(document.merging([key.name: wrong]) { $1 }))
      #expect(throws: CNIError.self, "\(key.name): \(wrong.text)") {
        try read(reader)
        try Self.readShared(reader)
      }
    }
  }

  @Test func `a network list reads the keys of its table`() throws {
    let readKeys = try Self.lookups(in: [.object(["name": "blue"])]) { _ = try ListHeader($0) }
    #expect(readKeys.union(["plugins"]) == Self.paths(of: Key.list))
  }

  @Test func `the key test covers every plugin`() {
    #expect(Self.readers.keys.sorted() == KeyTables.plugins.map(\.name).sorted())
  }

  @Test(arguments: [
    ("ipam-host-local", "dataDir", StatePaths.leases),
    ("ipam-etcd", "prefix", EtcdIPAMConfig.defaultPrefix),
    ("tuning", "dataDir", StatePaths.tuningBackups),
    ("firewall", "iptablesAdminChainName", FirewallSettings.defaultAdminChain),
    ("dns-hosts", "stateDir", StatePaths.dnsHosts), ("dns-hosts", "dir", StatePaths.containerFiles),
    ("bridge", "bridge", BridgeSettings.defaultBridge?.description ?? ""),
    ("overlay-vxlan controlPlane", "prefix", EtcdPlaneConfig.defaultPrefix),
    ("overlay-vxlan controlPlane", "leaseTTL", "\(EtcdPlaneConfig.defaultLeaseSeconds)"),
    ("dns-hosts etcd", "prefix", SharedNames.defaultPrefix),
    ("dns-hosts etcd", "leaseTTL", "\(SharingConfig.defaultLeaseSeconds)"),
    ("service etcd", "prefix", SharedServices.defaultPrefix),
  ])
  func `the default in the table equals the default in the code`(place: String, key: String, value: String) throws {
    let words = place.split(separator: " ").map(String.init)
    let table = try #require((KeyTables.plugins + KeyTables.ipam).first { $0.names.contains(words[0]) })
    let keys = words.count > 1 ? table.keys(of: words[1]) : table.keys
    #expect(keys?.first { $0.name == key }?.fallback.filter { $0 != "`" } == value)
  }

  // MARK: looked-up keys

  /// Objects whose members are read by other readers or another plugin.
  private static let sharedObjects = ["ipam.", "args.", "runtimeConfig.", "prevResult.", "delegate."]

  private static func lookups(of plugin: String) throws -> Set<String> {
    guard let (read, documents) = readers[plugin] else { return [] }
    return try lookups(in: documents.flatMap { try variants(of: $0, type: plugin) }) { json in
      try read(json)
      try readShared(json)
      _ = json.configuredIPv6
    }
  }

  private static func ipamLookups(of plugin: String) throws -> Set<String> {
    let range = #""subnet":"10.1.0.0/24","ranges":[[{"subnet":"10.2.0.0/24"}]],"routes":[{"dst":"10.3.0.0/24"}]"#
    let cluster = #""endpoints":["http://10.0.0.1:2379"]"#
    let documents = [
      #"{"ipam":{"type":"\#(plugin)",\#(range),\#(cluster)}}"#,
      #"{"ipam":{"type":"\#(plugin)",\#(range)},"controlPlane":{"type":"etcd",\#(cluster)}}"#,
    ]
    return try lookups(in: documents.flatMap { try variants(of: $0, type: "bridge") }) { json in
      if plugin == "ipam-etcd" { _ = try EtcdIPAMConfig(json) } else { _ = try HostLocalConfig(json) }
      try readShared(json)
    }
  }

  /// Reads the keys that every plugin has.
  private static func readShared(_ json: JSONReader) throws {
    _ = try NetworkHeader(json)
    _ = try RuntimeKeys(json)
    _ = try json.object("prevResult", as: PrintedResult.self)
  }

  private final class Lookups: Sendable {
    let paths = Mutex<Set<String>>([])
  }

  /// The paths that the reader looks up, without the indices of lists.
  private static func lookups(in documents: [JSONValue], _ read: Reader) throws -> Set<String> {
    let lookups = Lookups()
    for document in documents {
      let reader = JSONReader(document) { path in
        let bare = path.replacing(/\[[0-9]+\]/, with: "")
        lookups.paths.withLock { _ = $0.insert(bare) }
      }
      try read(reader)
    }
    return lookups.paths.withLock { $0 }
  }

  /// The paths of the keys and of all their members.
  private static func paths(of keys: [Key], at prefix: String = "") -> Set<String> {
    keys.reduce(into: []) { paths, key in
      paths.insert(prefix + key.name)
      if let members = key.members { paths.formUnion(Self.paths(of: members, at: "\(prefix)\(key.name).")) }
    }
  }

  // MARK: documents

  /// The document with `runtimeConfig`, with `args.cni` alone and with what Mesos writes alone: the first counts.
  private static func variants(of document: String, type: String) throws -> [JSONValue] {
    let own = try CNIJSON.decodeValue(Array(document.utf8)).object ?? [:]
    let shared = try CNIJSON.decodeValue(Array(sharedKeys.utf8)).object ?? [:]
    let cni = try CNIJSON.decodeValue(Array(arguments.utf8)), mesos = try CNIJSON.decodeValue(Array(mesosKeys.utf8))
    var whole = shared.merging(own) { $1 }
    whole["type"] = .string(type)
    whole["args"] = .object(["cni": cni, "org.apache.mesos": mesos])
    var withoutRuntime = whole, mesosAlone = whole
    withoutRuntime["runtimeConfig"] = nil
    mesosAlone["runtimeConfig"] = nil
    mesosAlone["args"] = .object(["org.apache.mesos": mesos])
    return [whole, withoutRuntime, mesosAlone].map { .object($0) }
  }

  private static let ports = #"[{"containerPort":80,"hostPort":8080},{"container_port":81}]"#

  private static let forBoth = """
    "mac":"02:00:00:00:00:01","ips":["10.1.0.9"],"dns":{"nameservers":["10.1.0.1"]},"aliases":["a"],"hostname":"h",
    "portMappings":\(ports),"exposedPorts":[{"port":80}],"floatingIPs":[{"ip":"192.0.2.1"}]
    """

  private static let sharedKeys = """
    {"cniVersion":"1.0.0","name":"blue","dns":{"nameservers":["10.1.0.1"]},
     "ipam":{"type":"ipam-host-local","subnet":"10.1.0.0/24","ranges":[[{"subnet":"10.2.0.0/24"}]]},
     "runtimeConfig":{\(forBoth),"ipRanges":[[{"subnet":"10.3.0.0/24"}]]},
     "prevResult":{"cniVersion":"1.0.0","interfaces":[]}}
    """

  private static let arguments = """
    {\(forBoth),"name":"web","labels":[{"key":"a","value":"b"}],"hosts":[{"ip":"10.1.0.3","hostnames":["a"]}],
     "links":[{"container":"db","alias":"d","ports":["80/tcp"]}],"sysctl":{"net.ipv4.ip_forward":"1"}}
    """

  private static let mesosKeys = """
    {"network_info":{"ip_addresses":[{"ip_address":"10.1.0.9"}],"labels":{"labels":[{"key":"a","value":"b"}]},
     "port_mappings":\(ports)}}
    """
}

extension Shape {
  /// A value of another type; `nil` if only the plugin knows the types.
  fileprivate var wrongValue: JSONValue? {
    switch self {
    case .bool, .int: .string("x")
    case .off: .bool(true)
    case .either: nil
    case .string, .object, .address, .prefix, .mac, .subnet, .word, .list, .members, .open: .integer(7)
    }
  }
}
