public import CNI

/// A network as the operator configured it: its plugins, to be run one after the other.
public struct NetworkList: Equatable, Sendable {
  public var name: NetworkName
  /// The version of the specification that all its plugins are called with.
  public var version: SpecVersion
  public var plugins: [ConfiguredPlugin]
  /// The operator wants no CHECK for this network.
  public var disableCheck = false
  /// The operator wants no GC, because another program has attachments to a network of this name.
  public var disableGC = false
  /// Only the plugins in the list count, not those in the directory named after the network.
  public var onlyInlinedPlugins = false
  /// The list as JSON, with all its plugins, as it is stored in the cache.
  public var bytes: [UInt8]

  /// One plugin of the list.
  public struct ConfiguredPlugin: Equatable, Sendable {
    public var type: PluginType
    /// Every key as the operator wrote it.
    public var config: JSONValue
    /// The capabilities that the configuration declares for this plugin.
    public var capabilities: Set<String>
  }

  /// The driver that `cnictl` shows: the first plugin's type, or Docker's word for it.
  public var driver: String {
    switch plugins.first?.type.description {
    case nil, "none", "loopback": "null"
    case "overlay-vxlan": "overlay"
    case let type?: type
    }
  }

  /// Whether any plugin takes `capability` from the runtime.
  public func declares(_ capability: String) -> Bool { plugins.contains { $0.capabilities.contains(capability) } }
}

extension NetworkList {
  /// Reads a list, or a single plugin's configuration as a list of one.
  ///
  /// `extras` are plugins configured beside the list, in the directory named after the network.
  ///
  /// - Throws: code 6 with the position if the bytes are not JSON, code 7 with the key that is wrong.
  public init(_ bytes: [UInt8], extras: [JSONValue] = []) throws(CNIError) {
    let root = try CNIJSON.decodeValue(bytes)
    guard root.object != nil else { throw CNIError(.invalidNetworkConfig, "network configuration: want a JSON object") }
    let header = try CNIJSON.decode(ListHeader.self, from: bytes)
    guard let text = header.name, !text.isEmpty else { throw CNIError(.invalidNetworkConfig, "missing key \"name\"") }
    guard let name = NetworkName(text) else {
      throw CNIError(.invalidNetworkConfig, "key \"name\": \"\(text)\": want \(NetworkName.expectedForm)")
    }
    self.name = name
    version = try header.chosenVersion()
    disableCheck = header.disableCheck
    disableGC = header.disableGC
    onlyInlinedPlugins = header.loadOnlyInlinedPlugins
    let single = root.member("plugins") == nil && root.member("type") != nil
    let inlined = single ? [root] : root.member("plugins")?.value.array ?? []
    plugins = []
    for (index, config) in (inlined + extras).enumerated() {
      plugins.append(try ConfiguredPlugin(config, at: single ? "" : "plugins[\(index)]."))
    }
    guard !plugins.isEmpty else {
      throw CNIError(.invalidNetworkConfig, "network \(name): no plugins: want \"plugins\": [{\"type\": …}, …]")
    }
    self.bytes = bytes
    if single || !extras.isEmpty { self.bytes = written() }
  }

  /// The list as one object with every plugin inside.
  func written() -> [UInt8] {
    JSONValue.record([
      "name": .text(name), "cniVersion": .text(version.rawValue), "plugins": .array(plugins.map(\.config)),
      "disableCheck": .flag(disableCheck), "disableGC": .flag(disableGC),
    ]).bytes
  }
}

extension NetworkList.ConfiguredPlugin {
  /// `path` is its position in the file, for messages: `plugins[0].`.
  ///
  /// - Throws: code 7 naming the key that is wrong.
  init(_ config: JSONValue, at path: String) throws(CNIError) {
    guard config.object != nil else {
      throw CNIError(.invalidNetworkConfig, "key \"\(path.dropLast())\": want an object")
    }
    guard let text = config.member("type")?.value.string, !text.isEmpty else {
      throw CNIError(.invalidNetworkConfig, "missing key \"\(path)type\": want \(PluginType.expectedForm)")
    }
    guard let type = PluginType(text) else {
      throw CNIError(.invalidNetworkConfig, "key \"\(path)type\": \"\(text)\": want \(PluginType.expectedForm)")
    }
    self.type = type
    self.config = config
    capabilities = []
    guard let declared = config.member("capabilities")?.value, declared != .null else { return }
    guard let members = declared.object else {
      throw CNIError(.invalidNetworkConfig, "key \"\(path)capabilities\": want an object of true and false")
    }
    for (key, value) in members {
      guard case .bool(let wanted) = value else {
        throw CNIError(.invalidNetworkConfig, "key \"\(path)capabilities.\(key)\": want true or false")
      }
      if wanted { capabilities.insert(key) }
    }
  }
}

/// The keys of a list that are about the list.
struct ListHeader: JSONReadable {
  var name: String?
  var cniVersion: String?
  var cniVersions: [String]?
  var disableCheck: Bool
  var disableGC: Bool
  var loadOnlyInlinedPlugins: Bool

  init(_ json: JSONReader) throws(CNIError) {
    name = try json.text("name")
    cniVersion = try json.text("cniVersion")
    cniVersions = try json.texts("cniVersions")
    disableCheck = try json.looseFlag("disableCheck")
    disableGC = try json.looseFlag("disableGC")
    loadOnlyInlinedPlugins = try json.looseFlag("loadOnlyInlinedPlugins")
  }

  /// The newest version that the list offers (`cniVersion`, `cniVersions`) and that this program supports.
  func chosenVersion() throws(CNIError) -> SpecVersion {
    guard let offered = cniVersions, !offered.isEmpty else { return try SpecVersion(configured: cniVersion) }
    let supported = (offered + [cniVersion].compactMap(\.self)).compactMap(SpecVersion.init(rawValue:))
    guard let newest = supported.max() else {
      throw CNIError(
        .incompatibleVersion, "key \"cniVersions\": \(offered): want one of \(SpecVersion.allCases.map(\.rawValue))")
    }
    return newest
  }
}

extension JSONReader {
  /// `true`, `false` or either as a string, as libcni takes them for a list's own keys; absent is false.
  fileprivate func looseFlag(_ key: String) throws(CNIError) -> Bool {
    guard let member = self[key] else { return false }
    switch member.value.string?.lowercased() {
    case "true": return true
    case "false": return false
    default: return try member.flag()
    }
  }
}
