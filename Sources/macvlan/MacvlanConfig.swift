import CNI
import Kernel
import NetTypes
import PluginKit

/// The `macvlan` part of a network configuration, as written; absent keys are `nil`.
struct MacvlanConfig: ChildLinkConfig {
  static let name = "macvlan"
  static let limitsConnections = true

  let common: MasterConfig
  let policy: PolicyConfig?
  /// `bridge`, `private`, `vepa`, `passthru`, `source`.
  let mode: String?
  /// In mode `source`: the only source MAC addresses from which frames are accepted.
  let sourceMACs: [MACAddress]?
  let mac: MACAddress?
  /// The number of broadcast frames that may wait in the parent's queue.
  let bcqueuelen: Int?
  /// Whether the host and the container can reach each other; macvlan alone does not allow that.
  let hostAccess: Bool?
  /// The IPAM plugin; `nil` if the container gets no addresses.
  let ipam: PluginType?

  init(_ json: JSONReader) throws(CNIError) {
    common = try MasterConfig(json)
    policy = try json.object("policy")
    mode = try json.nonEmptyText("mode")
    sourceMACs = try json.parsedList("sourceMACs")
    mac = try json.parsed("mac")
    bcqueuelen = try json.integer("bcqueuelen")
    hostAccess = try json.flag("hostAccess")
    ipam = try json["ipam"]?.nonEmptyText("type").flatMap(PluginType.init)
  }

  func childLink() throws(CNIError) -> ChildLink {
    let queue = try checked("bcqueuelen", bcqueuelen == 0 ? nil : bcqueuelen, KeyRange.broadcastQueue)
    return .macvlan(Macvlan(try checkedMode(), broadcastQueue: queue))
  }

  private func checkedMode() throws(CNIError) -> Macvlan.Mode {
    guard mode == "source" || sourceMACs == nil else {
      throw CNIError(.invalidNetworkConfig, "key \"sourceMACs\": want \"mode\": \"source\" with it")
    }
    switch mode {
    case nil, "bridge": return .bridge
    case "private": return .private
    case "vepa": return .vepa
    case "passthru": return .passthru
    case "source":
      guard let sourceMACs, !sourceMACs.isEmpty else {
        throw CNIError(
          .invalidNetworkConfig, "key \"mode\": \"source\": want \"sourceMACs\", the addresses that may reach it")
      }
      return .source(sourceMACs)
    case let other?:
      throw CNIError(
        .invalidNetworkConfig, "key \"mode\": \"\(other)\": want bridge, private, vepa, passthru or source")
    }
  }

  /// Whether host access is configured.
  ///
  /// - Throws: code 7 for keys that make host access impossible.
  func checkedHostAccess() throws(CNIError) -> Bool {
    guard hostAccess == true else { return false }
    guard try checkedMode() == .bridge else {
      throw CNIError(
        .invalidNetworkConfig,
        "keys \"hostAccess\": true and \"mode\": \"\(mode ?? "")\": want \"bridge\", in which links of one master reach each other"
      )
    }
    guard common.netns == .host else {
      throw CNIError(
        .invalidNetworkConfig,
        "keys \"hostAccess\" and \"linkInContainer\": the host cannot use that master: want only one of the keys")
    }
    guard ipam != nil else {
      throw CNIError(
        .invalidNetworkConfig,
        "key \"hostAccess\": true: the host needs the containers' addresses: want \"ipam\" with it")
    }
    return true
  }

  func macSource(_ keys: RuntimeKeys, _ arguments: CNIArguments) throws(CNIError) -> MACSource {
    let wanted = try keys.mac(arguments) ?? mac
    guard try checkedMode() != .passthru else {
      guard let wanted else { return .parent }
      throw CNIError(
        .invalidNetworkConfig,
        "MAC address \(wanted): in mode passthru the link has the MAC address of its master: want none")
    }
    return wanted.map { .configured($0) } ?? .random
  }
}
