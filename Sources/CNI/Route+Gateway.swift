public import NetTypes

extension Route {
  /// Rejects a gateway that no router can have, whatever addresses the container gets.
  ///
  /// - Throws: code 7 for the other family, a multicast, loopback or broadcast address.
  public func checkGateway(_ gateway: IPAddress) throws(CNIError) {
    func refusal(_ wanted: String) -> CNIError {
      CNIError(.invalidNetworkConfig, "route \(dst): gw \(gateway): want \(wanted)")
    }
    guard gateway.family == dst.family else { throw refusal("an address of the same family") }
    guard !gateway.isMulticast, !gateway.isLoopback, !gateway.isBroadcast else {
      throw refusal("the unicast address of a router")
    }
  }
}
