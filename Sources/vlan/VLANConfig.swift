import CNI
import Kernel
import NetTypes
import PluginKit

/// The `vlan` part of a network configuration, as written; absent keys are `nil`.
struct VLANConfig: ChildLinkConfig {
  static let name = "vlan"

  let common: MasterConfig
  let vlanId: Int?

  init(_ json: JSONReader) throws(CNIError) {
    common = try MasterConfig(json)
    vlanId = try json.integer("vlanId")
  }

  func childLink() throws(CNIError) -> ChildLink {
    guard common.master != nil else {
      throw CNIError(.invalidNetworkConfig, "key \"master\" is missing: want the link that carries the VLAN")
    }
    // The reference plugin reads an absent VLAN ID as 0.
    return .vlan(try checked("vlanId", vlanId, KeyRange.vlanTag) ?? 0)
  }

  func macSource(_ keys: RuntimeKeys, _ arguments: CNIArguments) throws(CNIError) -> MACSource {
    try keys.mac(arguments).map { .configured($0) } ?? .parent
  }
}
