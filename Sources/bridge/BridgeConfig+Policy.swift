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
  /// - Throws: as `PolicyConfig.check`.
  func checkedPolicy() throws(CNIError) -> PolicyConfig? {
    let forges = macLearning == true || vlanTrunk?.isEmpty == false || ipspoofchk == false
    try policy?.check(
      isGateway: isGateway ?? false || isDefaultGateway ?? false, ipam: ipam, checksSources: !forges)
    return policy
  }
}
