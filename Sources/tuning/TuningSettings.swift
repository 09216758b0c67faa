import CNI
import Kernel
import NetTypes
import PluginKit

/// The configuration with every value checked.
struct TuningSettings: Equatable {
  var link: LinkChange
  /// The sysctls; those that reset others come first.
  var sysctls: [Sysctl]
  /// Their names, as the operator and the runtime wrote them.
  var names: [SysctlName]

  /// The kernel has narrower limits, which depend on the kind of link.
  static let mtuRange = KeyRange.anyMTU
  static let queueRange = KeyRange.transmitQueue
  /// Below this MTU the kernel disables IPv6 on the link and removes its addresses.
  static let lowestMTUForIPv6 = 1280

  /// Whether there is nothing to change.
  var isEmpty: Bool { link == LinkChange() && sysctls.isEmpty }

  /// - Throws: code 7 for a value that is not valid, code 4 for one in `CNI_ARGS`.
  init(_ call: Call<TuningConfig>) throws(CNIError) {
    let given = call.config.arguments ?? TuningConfig.RequestedValues()
    let own = call.config.own
    let argument = try call.arguments().value("MAC", as: MACAddress.self)
    let mac = given.mac ?? call.keys.runtimeConfig?.mac ?? argument ?? own.mac
    if let mac, mac.isMulticast || mac.isZero {
      throw CNIError(.invalidNetworkConfig, "MAC address \(mac): want a unicast address")
    }
    link = LinkChange(
      isPromiscuous: given.promisc ?? own.promisc, isAllMulticast: given.allmulti ?? own.allmulti,
      mtu: try Self.checked("mtu", given.mtu ?? own.mtu, Self.mtuRange),
      txQueueLength: try Self.checked("txQLen", given.txQLen ?? own.txQLen, Self.queueRange), mac: mac)
    let interface = call.owner.interface
    sysctls = try Self.merged(own.sysctls, given.sysctls, for: interface).inOrder
    names = (own.sysctls + given.sysctls).map { $0.name }
  }

  private static func checked(_ key: String, _ value: Int?, _ range: ClosedRange<Int>) throws(CNIError) -> Int? {
    guard let value, !range.contains(value) else { return value }
    throw CNIError(.invalidNetworkConfig, "key \"\(key)\": \(value): want \(range.lowerBound) to \(range.upperBound)")
  }

  /// The operator's sysctls; the runtime's value overrides the operator's of the same name.
  private static func merged(
    _ own: [TuningConfig.Setting], _ given: [TuningConfig.Setting], for interface: InterfaceName
  ) throws(CNIError) -> [Sysctl] {
    var values: [String: String] = [:]
    for source in [own, given] {
      var seen: [String: SysctlName] = [:]
      for setting in source {
        let path = setting.name.path(for: interface)
        if let other = seen.updateValue(setting.name, forKey: path) {
          throw CNIError(
            .invalidNetworkConfig,
            "key \"sysctl\": \"\(other.text)\" and \"\(setting.name.text)\" are both \(path): want only one of them")
        }
        values[path] = setting.value
      }
    }
    return values.map { Sysctl($0.key, $0.value) }
  }
}

extension [Sysctl] {
  /// In order from general to specific: `ip_forward` and `conf/all` also set the values of each interface.
  var inOrder: [Sysctl] {
    func rank(_ path: String) -> (Int, Int, String) {
      let parts = path.utf8.split(separator: UInt8(ascii: "/"))
      let isGeneral = parts.contains { $0.elementsEqual("all".utf8) || $0.elementsEqual("default".utf8) }
      return (parts.count, isGeneral ? 0 : 1, path)
    }
    return sorted { rank($0.key) < rank($1.key) }
  }
}
