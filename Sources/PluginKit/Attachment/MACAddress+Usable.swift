public import CNI
public import NetTypes

extension MACAddress {
  /// Checks that an interface can have the address.
  ///
  /// - Throws: code 7 for a multicast address or zero.
  public func checkUsable() throws(CNIError) {
    guard isMulticast || isZero else { return }
    throw CNIError(.invalidNetworkConfig, "MAC address \(self): want a unicast address")
  }
}
