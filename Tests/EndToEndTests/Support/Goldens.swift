import CNI
import LabSupport
import Testing

/// The address families of a network.
enum Families: String, CaseIterable, CustomTestStringConvertible {
  case v4, v6, dual, none

  var subnets: [String] {
    switch self {
    case .v4: ["10.77.0.0/24"]
    case .v6: ["fd77::/64"]
    case .dual: ["10.77.0.0/24", "fd77::/64"]
    case .none: []
    }
  }

  /// The addresses of the host, and of the first two containers.
  var hosts: [String] { subnets.map { $0.hasPrefix("fd") ? "fd77::1" : "10.77.0.1" } }
  func container(_ number: Int) -> [String] {
    subnets.map { $0.hasPrefix("fd") ? "fd77::\(number + 1)" : "10.77.0.\(number + 1)" }
  }

  var hasV4: Bool { self == .v4 || self == .dual }
  var hasV6: Bool { self == .v6 || self == .dual }

  var testDescription: String { rawValue }
}

/// The result of the first ADD to a network with `isDefaultGateway`, in each version of the specification.
///
/// Written by hand from section 5 of each version of the specification.
struct Golden {
  var families: Families
  var bridgeMAC: String
  var hostInterface: String
  var hostMAC: String
  var containerMAC: String
  var sandbox: String

  func result(_ version: SpecVersion) throws -> JSONValue {
    let text =
      switch version {
      case .v0_1_0, .v0_2_0: single(version.rawValue)
      case .v0_3_0, .v0_3_1, .v0_4_0: lists(version.rawValue, ipVersion: true, mtu: "", dns: true)
      case .v1_0_0: lists(version.rawValue, ipVersion: false, mtu: "", dns: false)
      case .v1_1_0: lists(version.rawValue, ipVersion: false, mtu: #", "mtu": 1500"#, dns: false)
      }
    return try JSONValue(json: text)
  }

  private func single(_ version: String) -> String {
    let ip4 =
      #"""
      , "ip4": {"ip": "10.77.0.2/24", "gateway": "10.77.0.1", "routes": [{"dst": "0.0.0.0/0", "gw": "10.77.0.1"}]}
      """#
    let ip6 = #", "ip6": {"ip": "fd77::2/64", "gateway": "fd77::1", "routes": [{"dst": "::/0", "gw": "fd77::1"}]}"#
    return
      #"{"cniVersion": "\#(version)", "dns": {}\#(families.hasV4 ? ip4 : "")\#(families.hasV6 ? ip6 : "")}"#
  }

  private func lists(_ version: String, ipVersion: Bool, mtu: String, dns: Bool) -> String {
    let four = ipVersion ? #""version": "4", "# : "", six = ipVersion ? #""version": "6", "# : ""
    var ips: [String] = [], routes: [String] = []
    if families.hasV4 {
      ips.append(#"{\#(four)"interface": 2, "address": "10.77.0.2/24", "gateway": "10.77.0.1"}"#)
      routes.append(#"{"dst": "0.0.0.0/0", "gw": "10.77.0.1"}"#)
    }
    if families.hasV6 {
      ips.append(#"{\#(six)"interface": 2, "address": "fd77::2/64", "gateway": "fd77::1"}"#)
      routes.append(#"{"dst": "::/0", "gw": "fd77::1"}"#)
    }
    let addressing =
      ips.isEmpty
      ? "" : #", "ips": [\#(ips.joined(separator: ", "))], "routes": [\#(routes.joined(separator: ", "))]"#
    return #"""
      {"cniVersion": "\#(version)", "interfaces": [
        {"name": "br0", "mac": "\#(bridgeMAC)"\#(mtu)},
        {"name": "\#(hostInterface)", "mac": "\#(hostMAC)"\#(mtu)},
        {"name": "eth0", "mac": "\#(containerMAC)"\#(mtu), "sandbox": "\#(sandbox)"}]
      \#(addressing)\#(dns ? #", "dns": {}"# : "")}
      """#
  }
}
