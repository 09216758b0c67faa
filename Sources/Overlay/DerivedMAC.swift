public import NetTypes

extension MACAddress {
  /// The MAC address of a container with that IP address.
  ///
  /// It is the same on every host, so neighbour entries of other hosts stay valid if the container moves. IPv4: `02:42` and the
  /// address; IPv6: a locally administered address from a hash of the IP address.
  public init(forContainer address: IPAddress) {
    self = MACAddress(derivedFrom: address) ?? MACAddress(locallyAdministered: bits(address, 0))
  }

  /// The MAC address of a host's VXLAN device; other hosts compute the same address.
  public init(forTunnelOf vni: Int, from local: IPAddress) {
    self.init(locallyAdministered: bits(local, UInt64(vni)))
  }

  /// The MAC address of a network's gateway, the same on all hosts: `02:43:4e` and the VNI.
  public init(forGatewayOf vni: Int) {
    self.init(value: 0x0243_4E00_0000 | UInt64(vni))
  }
}

/// A hash of an address and a number; only its low bits can be used.
private func bits(_ address: IPAddress, _ number: UInt64) -> UInt64 {
  let bytes = address.bytes + (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * UInt64($0))) }
  return FNV1a(bytes).value.mixedOnce
}
