import NetTypes

// Keys are spelled in lower case throughout: decoding folds them, because Go's runtimes match without regard to case.

/// A result of any version, as a runtime or another plugin printed it.
///
/// Version 0.1.0 and 0.2.0 have `ip4` and `ip6`, later ones `interfaces` and `ips`; one reader takes them all.
public struct WrittenResult: Decodable, Equatable, Sendable {
  /// `nil` where the writer left it out.
  public var cniVersion: String?
  public var result: AddResult

  enum CodingKeys: String, CodingKey {
    case cniVersion = "cniversion"
    case interfaces, ips, routes, dns, ip4, ip6
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    cniVersion = try container.decodeIfPresent(String.self, forKey: .cniVersion)
    result = AddResult(
      interfaces: try container.decodeIfPresent([AddResult.Interface].self, forKey: .interfaces) ?? [],
      ips: try container.decodeIfPresent([AddResult.IP].self, forKey: .ips) ?? [],
      routes: try container.decodeIfPresent([Route].self, forKey: .routes) ?? [],
      dns: try container.decodeIfPresent(DNS.self, forKey: .dns) ?? DNS())
    for key in [CodingKeys.ip4, .ip6] {
      guard let old = try container.decodeIfPresent(SingleIP.self, forKey: key) else { continue }
      result.ips.append(AddResult.IP(address: old.ip, gateway: old.gateway))
      result.routes += old.routes ?? []
    }
    for (index, ip) in result.ips.enumerated() {
      guard let interface = ip.interface, !result.interfaces.indices.contains(interface) else { continue }
      throw DecodingError.dataCorruptedError(
        forKey: .ips, in: container,
        debugDescription: "ips[\(index)].interface \(interface): there are \(result.interfaces.count) interfaces")
    }
  }

  private struct SingleIP: Decodable {
    var ip: IPPrefix
    var gateway: IPAddress?
    var routes: [Route]?
  }
}

extension DNS: Decodable {
  enum CodingKeys: String, CodingKey { case nameservers, domain, search, options }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    nameservers = try container.decodeIfPresent([String].self, forKey: .nameservers) ?? []
    domain = try container.decodeIfPresent(String.self, forKey: .domain).flatMap { $0.isEmpty ? nil : $0 }
    search = try container.decodeIfPresent([String].self, forKey: .search) ?? []
    options = try container.decodeIfPresent([String].self, forKey: .options) ?? []
  }
}
