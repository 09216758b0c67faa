/// What every verb needs of a network configuration, and all that DEL needs.
public struct NetworkHeader: JSONReadable, Equatable, Sendable {
  public var cniVersion: String?
  public var name: String?
  public var type: String?
  /// `ipam.type`; `nil` for a network without addresses.
  public var ipamType: String?

  public init(_ json: JSONReader) throws(CNIError) {
    cniVersion = try json.text("cniVersion")
    name = try json.text("name")
    type = try json.text("type")
    ipamType = try json.object("ipam", as: Part.self)?.json.filledText("type")
  }

  /// - Throws: code 7 where the name is missing or could leave its directory.
  public func checkedName() throws(CNIError) -> NetworkName {
    guard let name, !name.isEmpty else { throw CNIError(.invalidNetworkConfig, "missing network name") }
    guard name.utf8.count <= NetworkName.maximumByteCount else {
      throw CNIError(
        .invalidNetworkConfig, "network name is too long",
        details: "name of \(name.utf8.count) bytes: want \(NetworkName.wanted)")
    }
    guard let checked = NetworkName(name) else {
      throw CNIError(
        .invalidNetworkConfig, "invalid characters found in network name",
        details: "name \"\(name)\": want \(NetworkName.wanted)")
    }
    return checked
  }

  /// - Throws: code 7 where `type` is a path.
  public func checkedType() throws(CNIError) -> PluginType? {
    try checked(type, key: "type")
  }

  /// - Throws: code 7 where `ipam.type` is a path.
  public func checkedIPAMType() throws(CNIError) -> PluginType? {
    try checked(ipamType, key: "ipam.type")
  }

  private func checked(_ text: String?, key: String) throws(CNIError) -> PluginType? {
    guard let text, !text.isEmpty else { return nil }
    guard let type = PluginType(text) else {
      throw CNIError(.invalidNetworkConfig, "key \"\(key)\": \"\(text)\": want \(PluginType.wanted)")
    }
    return type
  }
}

/// Any object, to look for a key in.
private struct Part: JSONReadable {
  var json: JSONReader
  init(_ json: JSONReader) { self.json = json }
}
