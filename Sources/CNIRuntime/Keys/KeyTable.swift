/// The keys of one plugin.
struct KeyTable: Sendable {
  /// The plugin's `type`.
  var name: String
  /// Other names of the same executable.
  var otherNames: [String]
  /// One line: what the plugin does.
  var title: String
  /// The capabilities that the plugin supports.
  var capabilities: Set<String>
  /// The keys, in groups: each group is one table of docs/plugins.md.
  var groups: [Group]

  struct Group: Sendable {
    /// Empty for the plugin's main table.
    var name: String
    var keys: [Key]
  }

  init(
    _ name: String, or otherNames: [String] = [], _ title: String, capabilities: Set<String> = [], _ keys: [Key],
    groups: KeyValuePairs<String, [Key]> = [:]
  ) {
    self.name = name
    self.otherNames = otherNames
    self.title = title
    self.capabilities = capabilities
    self.groups = [Group(name: "", keys: keys)] + groups.map { Group(name: $0.key, keys: $0.value) }
  }

  var keys: [Key] { groups.flatMap(\.keys) }

  var names: [String] { [name] + otherNames }

  /// The keys of a group or of an object: `""`, `server`, `controlPlane.peers`; `nil` if there is no such one.
  func keys(of path: String) -> [Key]? {
    if let group = groups.first(where: { $0.name == path }) { return group.keys }
    var level: [Key]? = keys
    for part in path.split(separator: ".") { level = level?.first { $0.name == part }?.members }
    return level
  }
}

/// The tables of all plugins: each key is written here and nowhere else.
enum KeyTables {
  /// Plugins that make or change interfaces.
  static let plugins: [KeyTable] = [
    .bridge, .overlay, .macvlan, .ipvlan, .vlan, .ptp, .dummy, .tuning, .none, .host, .portmap, .firewall, .service,
    .dnsHosts, .dnsname,
  ]

  /// Plugins that hand out addresses; their keys are in the object `ipam`.
  static let ipam: [KeyTable] = [.hostLocal, .etcdIPAM, .staticIPAM, .dhcp]

  /// The keys of a plugin, with those of every plugin; `nil` for an unknown one.
  static func plugin(_ type: String) -> [Key]? {
    plugins.first { $0.names.contains(type) }.map { table in
      table.keys + Key.common.filter { key in !table.keys.contains { $0.name == key.name } }
    }
  }

  /// The keys of an IPAM plugin; `nil` for an unknown one.
  static func ipam(_ type: String) -> [Key]? { ipam.first { $0.names.contains(type) }?.keys }

  static func isKnown(_ type: String) -> Bool { (plugins + ipam).contains { $0.names.contains(type) } }

  /// All capabilities, with the plugins that support them.
  static let capabilities: [String: Set<String>] = {
    var acceptingPlugins = otherPrograms
    for table in plugins + ipam {
      for capability in table.capabilities { acceptingPlugins[capability, default: []].formUnion(table.names) }
    }
    return acceptingPlugins
  }()

  /// Capabilities of plugins that are not ours.
  private static let otherPrograms: [String: Set<String>] = [
    "bandwidth": ["bandwidth"], "infinibandGUID": ["ib-sriov"], "deviceID": ["sriov", "host-device"],
  ]
}
