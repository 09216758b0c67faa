public import CNI
public import NetTypes

extension AddResult {
  /// The MAC address for `macFromIP`: `02:42` followed by the first IPv4 address.
  ///
  /// - Throws: code 7 if there is no IPv4 address.
  public func derivedMAC() throws(CNIError) -> MACAddress {
    guard let derived = ips.lazy.compactMap({ MACAddress(derivedFrom: $0.address.address) }).first else {
      throw CNIError(
        .invalidNetworkConfig,
        "key \"macFromIP\": true: the container has no IPv4 address to derive the MAC address from")
    }
    return derived
  }

  /// Checks that the MTU is large enough for the addresses.
  ///
  /// - Throws: code 7 for an MTU below 1280 with an IPv6 address.
  public func check(mtu: Int) throws(CNIError) {
    guard mtu < Addressing.lowestMTUForIPv6, ips.contains(where: { $0.address.family == .v6 }) else { return }
    throw CNIError(.invalidNetworkConfig, "key \"mtu\": \(mtu): want \(Addressing.lowestMTUForIPv6) or more for IPv6")
  }
}
