public import CNI
public import NetTypes
public import PluginKit

/// A network's configuration as JSON, with the key `policy` of one of its plugins.
public struct NetworkConfiguration: Equatable, Sendable {
  /// The document: a list, or a single plugin's configuration.
  public private(set) var root: JSONValue
  /// The position of the plugin that has the key or can have it; `nil`: the document is that plugin's configuration.
  private let index: Int?
  private let network: NetworkName

  /// Only a plugin of `type` gets the key, unless another one has it; `nil`: the first that can have it.
  ///
  /// - Throws: code 7 if there is no such plugin.
  public init(_ bytes: [UInt8], for type: String? = nil) throws(CNIError) {
    root = try CNIJSON.decodeValue(bytes)
    network = try NetworkList(bytes).name
    guard let plugins = root.member("plugins")?.value.array else {
      guard Self.takesPolicy(root, type) else { throw Self.refusal(network) }
      index = nil
      return
    }
    let taker = plugins.indices.first { Self.takesPolicy(plugins[$0], type) }
    let holder = plugins.indices.first { plugins[$0].member("policy") != nil }
    guard let index = holder ?? taker else { throw Self.refusal(network) }
    self.index = index
  }

  private static func takesPolicy(_ plugin: JSONValue, _ wanted: String?) -> Bool {
    guard let type = plugin.member("type")?.value.string, type == wanted ?? type else { return false }
    return KeyTables.plugin(type)?.contains { $0.name == "policy" } ?? false
  }

  private static func refusal(_ network: NetworkName) -> CNIError {
    let names = KeyTables.plugins.filter { $0.keys.contains { $0.name == "policy" } }.flatMap(\.names)
    return CNIError(
      .invalidNetworkConfig, "network \(network): none of its plugins takes the key \"policy\"",
      details: "want one of \(names.joined(separator: ", ")) in its list")
  }

  /// The configuration of that plugin.
  public var plugin: JSONValue { index.flatMap { root.member("plugins")?.value.array?[$0] } ?? root }

  /// The type of the plugin.
  public var pluginType: String { plugin.member("type")?.value.string ?? "" }

  /// The policy; `nil` without the key.
  ///
  /// - Throws: code 7 if it is not valid.
  public func policy() throws(CNIError) -> PolicyConfig? {
    let path = index.map { "plugins[\($0)]" } ?? ""
    return try JSONReader(plugin, path: path).object("policy")
  }

  /// Sets the key or replaces it, and keeps `log` and `logGroup` if the policy has none; `nil` removes the key.
  public mutating func setPolicy(_ policy: PolicyConfig?) throws(CNIError) {
    var changed = plugin.without("policy")
    if var policy {
      if policy.logGroup == nil { policy.logGroup = try self.policy()?.logGroup }
      changed = changed.with(["policy": policy.json])
    }
    guard let index, let (key, value) = root.member("plugins"), var plugins = value.array else {
      root = changed
      return
    }
    plugins[index] = changed
    root = root.with([key: .array(plugins)])
  }

  /// Whether the rules of its policy are in the containers' network namespaces, because packets do not pass the host.
  public var limitsInContainer: Bool { ["macvlan", "ipvlan"].contains(pluginType) }

  /// The plugin's key `isolation`; `nil` if it is absent or empty.
  public var isolation: String? { (plugin.member("isolation")?.value.string).flatMap { $0.isEmpty ? nil : $0 } }

  /// Whether the rules that check containers' source addresses stay without the policy.
  ///
  /// True too for a plugin that leaves them to others.
  public var checksAddressesWithoutPolicy: Bool {
    let isolations = ["bridge": "none", "overlay-vxlan": "network"]
    guard let byDefault = isolations[pluginType] else { return true }
    return plugin.member("ipspoofchk")?.value == .bool(true) || (isolation ?? byDefault) != "none"
  }

  /// The labels that the plugin gets.
  public func labels() throws(CNIError) -> [Label] { try RuntimeKeys(JSONReader(plugin)).memberLabels }

  /// Whether containers of the network do not reach each other whatever the policy says.
  ///
  /// Those of `ptp` do so through the host, where a policy limits them and cannot name their own network.
  public var separatesContainers: Bool {
    let plugins = root.member("plugins")?.value.array ?? [root]
    return [("isolation", "container"), ("ingressPolicy", "isolated"), ("type", "ptp")].contains { key, value in
      plugins.contains { $0.member(key)?.value.string == value }
    }
  }
}

extension NetworkList {
  /// Whether one of its plugins has the key `policy`.
  public var hasPolicy: Bool { plugins.contains { $0.config.member("policy") != nil } }

  /// The same list with labels of the container, `args.cni.labels`, in every plugin's configuration.
  ///
  /// They are in the cached configuration too, so DEL and CHECK get the same.
  ///
  /// - Throws: code 7 if no plugin has the key `policy`, for which the labels are.
  public func labelled(_ labels: [String: String]) throws(CNIError) -> NetworkList {
    guard !labels.isEmpty else { return self }
    guard hasPolicy else {
      throw CNIError(
        .invalidNetworkConfig, "network \(name): cannot have labels",
        details: "none of its plugins has the key \"policy\"; {\"default\": \"allow\"} denies nothing")
    }
    var list = self
    for index in list.plugins.indices { list.plugins[index].config = list.plugins[index].config.adding(labels) }
    list.bytes = list.written()
    return list
  }
}

extension JSONValue {
  /// A plugin's configuration with these labels; they replace those of the same key.
  fileprivate func adding(_ labels: [String: String]) -> JSONValue {
    let args = member("args")?.value ?? .object([:]), cni = args.member("cni")?.value ?? .object([:])
    let kept = (cni.member("labels")?.value.array ?? []).filter { $0["key"]?.string.map { labels[$0] == nil } ?? true }
    let added = labels.sorted { $0.key < $1.key }.map { key, value in
      JSONValue.object(["key": .string(key), "value": .string(value)])
    }
    return with(["args": args.with(["cni": cni.with(["labels": .array(kept + added)])])])
  }
}

extension Label {
  var key: String { String(description.prefix { $0 != "=" }) }

  var value: String { String(description.drop { $0 != "=" }.dropFirst()) }
}
