public import CNI
import Linux
public import NetTypes

extension HostFilter {
  /// Reads libcni's result cache, for networks that only the reference plugins have attached.
  public func cachedInterfaces(of network: NetworkName) throws(KernelError) -> Set<InterfaceName> {
    var interfaces: Set<InterfaceName> = []
    for name in try Files.list(resultCache) ?? [] where name.hasPrefix("\(network)-") {
      guard let bytes = try Files.readIfPresent("\(resultCache)/\(name)") else { continue }
      interfaces.formUnion(Self.hostInterfaces(in: bytes, of: network))
    }
    return interfaces
  }

  /// None for a file of another form or of another network, whose name may begin with this one's.
  private static func hostInterfaces(in bytes: [UInt8], of network: NetworkName) -> [InterfaceName] {
    let cached: JSONValue
    do throws(CNIError) { cached = try CNIJSON.decodeValue(bytes) } catch { return [] }
    guard cached["networkName"]?.string == network.description else { return [] }
    return (cached["result"]?["interfaces"]?.array ?? []).filter { ($0["sandbox"]?.string ?? "").isEmpty }
      .compactMap { $0["name"]?.string.flatMap(InterfaceName.init) }
  }
}
