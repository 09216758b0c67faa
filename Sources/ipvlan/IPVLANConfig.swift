import CNI
import Kernel
import NetTypes
import PluginKit

/// The `ipvlan` part of a network configuration, as written; absent keys are `nil`.
struct IPVLANConfig: ChildLinkConfig {
  static let name = "ipvlan"
  static let canSetAddress = false
  static let limitsConnections = true

  let common: MasterConfig
  let policy: PolicyConfig?
  /// `l2`, `l3`, `l3s`.
  let mode: String?
  /// `bridge`, `private`, `vepa`.
  let flag: String?

  init(_ json: JSONReader) throws(CNIError) {
    common = try MasterConfig(json)
    policy = try json.object("policy")
    mode = try json.nonEmptyText("mode")
    flag = try json.nonEmptyText("flag")
  }

  func childLink() throws(CNIError) -> ChildLink {
    let link = IPVLAN(try option("mode", mode) ?? .l2, try option("flag", flag) ?? .bridge)
    // The kernel then calls the hook `input` in the master's namespace only.
    guard policy == nil || link.mode != .l3s else {
      throw CNIError(
        .invalidNetworkConfig,
        "keys \"policy\" and \"mode\": \"l3s\": packets to the container do not pass its packet filter: want mode l2 or l3"
      )
    }
    return .ipvlan(link)
  }

  /// Takes the parent from `prevResult` if the configuration has none, and the addresses if it has no IPAM.
  ///
  /// - Throws: code 7 if the result has no single interface to be the parent.
  func chainInput(
    _ settings: ChildLinkSettings, _ previous: AddResult
  ) throws(CNIError) -> ChainInput<ChildLinkSettings>? {
    let addresses =
      common.hasIPAM || previous.ips.isEmpty
      ? nil : AddResult(ips: previous.ips, routes: previous.routes, dns: previous.dns)
    guard common.master == nil else { return addresses.map { ChainInput(settings: settings, addresses: $0) } }
    guard previous.interfaces.count == 1, let master = InterfaceName(previous.interfaces[0].name) else {
      throw CNIError(
        .invalidNetworkConfig,
        "key \"master\" is absent, and prevResult has \(previous.interfaces.count) interfaces: want one, the master")
    }
    var chained = settings
    chained.master = master
    return ChainInput(settings: chained, addresses: addresses)
  }

  private func option<Option: RawRepresentable<String> & CaseIterable>(
    _ key: String, _ text: String?
  ) throws(CNIError) -> Option? {
    guard let text else { return nil }
    guard let option = Option(rawValue: text) else {
      let options = Option.allCases.map { $0.rawValue }.joined(separator: ", ")
      throw CNIError(.invalidNetworkConfig, "key \"\(key)\": \"\(text)\": want one of \(options)")
    }
    return option
  }

  func macSource(_ keys: RuntimeKeys, _ arguments: CNIArguments) throws(CNIError) -> MACSource {
    guard let wanted = try keys.mac(arguments) else { return .parent }
    throw CNIError(
      .unsupportedField,
      "MAC address \(wanted): an ipvlan link has the MAC address of its master: want none, or a macvlan network")
  }
}
