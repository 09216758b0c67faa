public import CNI
public import NetTypes

extension MACAddress {
  /// - Throws: code 7 for a multicast address or zeros, which no interface can have.
  public func checkUsable() throws(CNIError) {
    guard isMulticast || isZero else { return }
    throw CNIError(.invalidNetworkConfig, "MAC address \(self): want a unicast address")
  }
}
