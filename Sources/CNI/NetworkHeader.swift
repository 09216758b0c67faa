/// The part of a network configuration that every command needs; DEL needs no more.
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
    ipamType = try json.object("ipam", as: Part.self)?.json.nonEmptyText("type")
  }

  /// - Throws: code 7 if the name is missing or is not valid as a file name.
  public func checkedName() throws(CNIError) -> NetworkName {
    guard let name, !name.isEmpty else { throw CNIError(.invalidNetworkConfig, "missing network name") }
    guard name.utf8.count <= NetworkName.maximumByteCount else {
      throw CNIError(
        .invalidNetworkConfig, "network name is too long",
        details: "name of \(name.utf8.count) bytes: want \(NetworkName.expectedForm)")
    }
    guard let checked = NetworkName(name) else {
      throw CNIError(
        .invalidNetworkConfig, "invalid characters found in network name",
        details: "name \"\(name)\": want \(NetworkName.expectedForm)")
    }
    return checked
  }

  /// - Throws: code 7 if `type` is a path.
  public func checkedType() throws(CNIError) -> PluginType? {
    try checked(type, key: "type")
  }

  /// - Throws: code 7 if `ipam.type` is a path.
  public func checkedIPAMType() throws(CNIError) -> PluginType? {
    try checked(ipamType, key: "ipam.type")
  }

  private func checked(_ text: String?, key: String) throws(CNIError) -> PluginType? {
    guard let text, !text.isEmpty else { return nil }
    guard let type = PluginType(text) else {
      throw CNIError(.invalidNetworkConfig, "key \"\(key)\": \"\(text)\": want \(PluginType.expectedForm)")
    }
    return type
  }
}

/// Any JSON object, to look up a key in.
private struct Part: JSONReadable {
  var json: JSONReader
  init(_ json: JSONReader) { self.json = json }
}
