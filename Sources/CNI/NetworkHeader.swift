/// What every verb needs of a network configuration, and all that DEL needs.
public struct NetworkHeader: Decodable, Equatable, Sendable {
  public var cniVersion: String?
  public var name: String?
  public var type: String?
  /// `ipam.type`; `nil` for a network without addresses.
  public var ipamType: String?

  enum CodingKeys: String, CodingKey {
    case cniVersion = "cniversion"
    case name, type, ipam
  }

  private struct IPAMType: Decodable { var type: String? }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    cniVersion = try container.decodeIfPresent(String.self, forKey: .cniVersion)
    name = try container.decodeIfPresent(String.self, forKey: .name)
    type = try container.decodeIfPresent(String.self, forKey: .type)
    ipamType = try container.decodeIfPresent(IPAMType.self, forKey: .ipam)?.type
  }

  /// - Throws: code 7 where the name is missing or could leave its directory.
  public func checkedName() throws(CNIError) -> NetworkName {
    guard let name, !name.isEmpty else { throw CNIError(.invalidNetworkConfig, "missing network name") }
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
