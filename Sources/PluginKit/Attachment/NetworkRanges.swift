public import CNI
public import NetTypes

/// The subnets and gateways in a network's configuration for its IPAM plugin.
public struct NetworkRanges: Equatable, Sendable {
  public var subnets: [IPPrefix] = []
  public var gateways: [IPAddress] = []

  /// No subnets and gateways.
  public init() {}

  /// Reads `ipam` and `runtimeConfig.ipRanges`.
  ///
  /// Values that are not valid are left out: the IPAM plugin refuses them.
  public init(_ json: JSONReader) {
    guard let ipam = json["ipam"] else { return }
    add(ipam)
    add(lists: ipam["ranges"])
    add(lists: json["runtimeConfig"]?["ipRanges"])
  }

  private mutating func add(lists: JSONReader?) {
    for set in (try? lists?.elements()) ?? [] {
      for range in (try? set.elements()) ?? [] { add(range) }
    }
  }

  private mutating func add(_ range: JSONReader) {
    if case .string(let text)? = range["subnet"]?.value, let subnet = IPPrefix(text) { subnets.append(subnet.network) }
    if case .string(let text)? = range["gateway"]?.value, let gateway = IPAddress(text) { gateways.append(gateway) }
  }

  /// Whether it is a gateway of one of the subnets, or a gateway as a host address.
  func hasGateway(_ address: IPPrefix) -> Bool {
    address.hostBits == 0 ? gateways.contains(address.address) : subnets.contains(address.network)
  }
}
