public import CNI
public import NetTypes

extension AddResult {
  /// The hardware address that `macFromIP` asks for: `02:42` and the first IPv4 address.
  ///
  /// - Throws: code 7 where there is none.
  public func derivedMAC() throws(CNIError) -> MACAddress {
    guard let derived = ips.lazy.compactMap({ MACAddress(derivedFrom: $0.address.address) }).first else {
      throw CNIError(
        .invalidNetworkConfig, "key \"macFromIP\": true: the container gets no IPv4 address to derive from")
    }
    return derived
  }

  /// - Throws: code 7 for an MTU that is too small for IPv6 where an address is one of it.
  public func check(mtu: Int) throws(CNIError) {
    guard mtu < Addressing.lowestMTUForIPv6, ips.contains(where: { $0.address.family == .v6 }) else { return }
    throw CNIError(.invalidNetworkConfig, "key \"mtu\": \(mtu): want \(Addressing.lowestMTUForIPv6) or more for IPv6")
  }
}
