import CNI
import NetTypes
import PluginKit

/// A label by which Marathon and DC/OS give an application a virtual address: `VIP_0` is `/web:80` or `10.5.255.10:80`.
struct VIPLabel {
  static let prefix = "VIP_"

  /// The service's name; for an address, `vip-` and the address.
  var name: String
  var vips: [IPAddress]
  var port: ServicePort

  /// - Parameters:
  ///   - label: the label.
  ///   - mappings: the container's port mappings; label `VIP_n` is for the one at index n, if there is one.
  ///   - ranges: where the virtual addresses of names are chosen. An address must be in one of them.
  /// - Throws: code 7 with the label.
  init(_ label: Label, _ mappings: [ServicePort], in ranges: [IPPrefix]) throws(CNIError) {
    let parts = label.value.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count > 1, let number = UInt16(parts[parts.count - 1]), number > 0 else {
      throw Self.refusal(label, "/NAME:PORT or ADDRESS:PORT")
    }
    var host = parts.dropLast().joined(separator: ":")
    if host.hasPrefix("/") { host.removeFirst() }
    if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
    if let address = IPAddress(host) {
      guard ranges.contains(where: { $0.contains(address) }) else {
        throw Self.refusal(label, "an address in \"vipRange\"")
      }
      vips = [address]
      name = "vip-" + String(address.description.map { $0 == "." || $0 == ":" ? "-" : $0 })
    } else {
      guard ServiceSettings.isName(host) else { throw Self.refusal(label, ServiceSettings.nameForm) }
      let service = host
      vips = ranges.map { $0.address(for: service) }
      name = service
    }
    port = ServicePort(number)
    if let index = Int(label.key.dropFirst(Self.prefix.count)), mappings.indices.contains(index) {
      port.target = mappings[index].target
      port.transport = mappings[index].transport
    }
  }

  private static func refusal(_ label: Label, _ wanted: String) -> CNIError {
    CNIError(.invalidNetworkConfig, "label \"\(label.key)\": \"\(label.value)\": want \(wanted)")
  }
}

extension IPPrefix {
  /// The address in this range that a name gets on every host.
  fileprivate func address(for name: String) -> IPAddress {
    // Neither the first nor the last one: in IPv4 they are the network's and the broadcast address.
    let inside = hostBits >= 64 ? UInt128(UInt64.max) : (UInt128(1) << UInt128(hostBits)) - 2
    let offset = UInt128(FNV1a(name).mixed) % inside
    return IPAddress(family, first.value + 1 + offset) ?? first
  }
}
