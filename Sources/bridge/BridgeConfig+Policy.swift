import CNI
import NetTypes
import PluginKit

extension BridgeSettings {
  /// Whether the policy says which of the network's own containers reach each other.
  func hasOwnPolicy(_ network: NetworkName) -> Bool {
    filter.isolationMode == .container && policy?.isForOwn(network) ?? false
  }

  /// - Throws: code 7 if the policy names the network in vain, or would deny what `links` allow.
  func checkPolicy(in network: NetworkName) throws(CNIError) {
    try policy?.check(in: network, separated: filter.isolationMode == .container)
    if hasOwnPolicy(network), !filter.links.isEmpty {
      throw CNIError(
        .invalidNetworkConfig,
        "keys \"links\" and \"policy\": the policy says which containers of the network connect: want one of them")
    }
  }
}

extension BridgeConfig {
  /// The key `policy`.
  ///
  /// - Throws: code 7 if the host would not see the connections, or cannot know the container's address.
  func checkedPolicy() throws(CNIError) -> PolicyConfig? {
    guard let policy else { return nil }
    let isGateway = self.isGateway ?? false || isDefaultGateway ?? false
    guard isGateway else { throw refusal("connections go through the host", "\"isGateway\": true with it") }
    guard let ipam, !ipam.needsLink else {
      throw refusal(
        "the rules match the container's address", "\"ipam\" that hands out an address before the link is up")
    }
    if macLearning == true || vlanTrunk?.isEmpty == false || ipspoofchk == false {
      throw refusal(
        "the rules match source addresses, which must be checked",
        "no macLearning, vlanTrunk or \"ipspoofchk\": false")
    }
    return policy
  }

  private func refusal(_ reason: String, _ wanted: String) -> CNIError {
    CNIError(.invalidNetworkConfig, "key \"policy\": \(reason): want \(wanted)")
  }
}
