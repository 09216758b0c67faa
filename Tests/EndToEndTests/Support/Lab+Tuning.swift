import CNI
import Foundation
import LabSupport

extension Lab {
  var backupDirectory: String { "\(directory)/tuning" }

  /// The names of the backups.
  func backups() -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: backupDirectory)) ?? []).sorted()
  }

  /// The configuration of `tuning` in the network `net`; `keys` is a JSON object.
  func tuning(_ keys: String = "{}", _ version: SpecVersion = .latest) throws -> JSONValue {
    try JSONValue(json: #"{"name": "net", "type": "tuning"}"#).with("cniVersion", .string(version.rawValue))
      .with("dataDir", .string(backupDirectory)).merging(try JSONValue(json: keys))
  }

  /// Runs ADD of `tuning` with this prevResult.
  func tune(_ config: JSONValue, _ previous: JSONValue, args: String = "") throws -> Outcome {
    try add(config.with("prevResult", previous), args: args, plugin: "tuning")
  }

  /// The values in the first container that `tuning` can change.
  func tunables(_ interface: String = "eth0") throws -> [String] {
    let container = container(1)
    let link = try link(interface, in: container)
    let flags = link?.list("flags").compactMap(\.string).filter { ["PROMISC", "ALLMULTI"].contains($0) } ?? []
    return ["address", "mtu", "txqlen"].map { link?.text($0) ?? "" } + [flags.sorted().joined(separator: " ")]
      + (try Self.tunableSettings.map { try sysctl($0, in: container) })
  }

  static let tunableSettings = [
    "net/ipv4/conf/eth0/rp_filter", "net/ipv4/ip_forward", "net/ipv4/ip_local_port_range",
    "net/ipv4/ip_local_reserved_ports",
  ]

  /// A configuration with every key; its sysctls are those that `tunables` reads.
  static let everyTuning = #"""
    {"mac": "02:00:00:00:00:09", "mtu": 1400, "txQLen": 77, "promisc": true, "allmulti": true,
     "sysctl": {"net.ipv4.conf.IFNAME.rp_filter": "2", "net.ipv4.ip_forward": "1",
                "net/ipv4/ip_local_port_range": "20000 30000", "net.ipv4.ip_local_reserved_ports": "20001-20005"}}
    """#

  static let everyTuned = [
    "02:00:00:00:00:09", "1400", "77", "ALLMULTI PROMISC", "2", "1", "20000\t30000", "20001-20005",
  ]
}
