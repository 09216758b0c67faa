public import CNI
public import Kernel
public import NetTypes

/// The gateways of a network as addresses of the host.
public struct HostGateway: Equatable, Sendable {
  /// The link that has them.
  public var link: InterfaceName
  /// What it has now.
  public var addresses: [IPPrefix]
  /// The bridge behind it; `nil` where it is made with them.
  public var bridge: InterfaceName?
  /// Whether a bridge that is there was made by this plugin.
  public var isOurs: Bool
  /// Whether addresses that contradict those wanted go.
  public var replaces = false
  /// Whether IPv6 addresses count at once, without a look for others that have them.
  public var skipsDAD = true
  /// Whether the host forwards packets.
  public var forwards = true

  public init(on link: InterfaceName, _ addresses: [IPPrefix], of bridge: InterfaceName?, isOurs: Bool) {
    self.link = link
    self.addresses = addresses
    self.bridge = bridge
    self.isOurs = isOurs
  }

  /// Each gateway with the length of its subnet.
  public static func wanted(_ addressing: Addressing) -> [IPPrefix] {
    addressing.ips.compactMap { ip in ip.gateway.flatMap { IPPrefix($0, length: ip.address.length) } }
  }

  /// - Throws: code 7 where a bridge keeps an address that contradicts one of those wanted.
  public func changes(_ addressing: Addressing) throws(CNIError) -> [Change] {
    let wanted = Self.wanted(addressing)
    let conflicting = addresses.filter { there in
      !wanted.contains(there) && wanted.contains { $0.conflicts(with: there) }
    }
    try checkReplacing(conflicting, with: wanted)
    let replaced = conflicting.map { Change.deleteAddress(AddressSpec($0, on: link, .host)) }
    let enabled: [Change] =
      wanted.contains { $0.family == .v6 } ? [.setSysctls([.conf(.v6, link, "disable_ipv6", "0")], on: .host)] : []
    let added = enabled + wanted.map { Change.addAddress(AddressSpec($0, on: link, .host, skipsDAD: skipsDAD)) }
    guard forwards else { return replaced + added }
    let forwarding = Sysctl.forwarding(Set(wanted.map(\.family)))
    return replaced + added + (forwarding.isEmpty ? [] : [.setSysctls(forwarding, on: .host)])
  }

  /// A bridge that somebody else made keeps its addresses whatever the configuration says.
  private func checkReplacing(_ conflicting: [IPPrefix], with wanted: [IPPrefix]) throws(CNIError) {
    guard let first = conflicting.first, let bridge, !isOurs || !replaces else { return }
    let way = isOurs ? "\"forceAddress\": true replaces it" : "it was not made by this plugin and keeps it"
    let gateways = wanted.map(\.description).joined(separator: ", ")
    throw CNIError(
      .invalidNetworkConfig, "bridge \(bridge) already has the address \(first): want \(gateways)", details: way)
  }
}

extension IPPrefix {
  /// Whether a bridge may not have both: two IPv4 addresses never, two of IPv6 only in one network.
  fileprivate func conflicts(with other: IPPrefix) -> Bool {
    family == other.family && (family == .v4 || overlaps(other))
  }
}
