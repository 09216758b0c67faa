import CNI
import NetTypes

/// A host's subnets as a key under `PREFIX/subnets/` has them, in flannel's words.
struct FlannelSubnet: Equatable {
  /// One of each family at most, IPv4 first.
  var prefixes: [IPPrefix]
  /// Every member, also those that we do not know.
  var value: JSONValue

  static func keys(_ prefix: String) -> String { "\(prefix)/subnets/" }

  /// `10.5.52.0-24`, `10.5.52.0-24&fd00:5:52::-64`; flannel reads a key without IPv4 only so: `0.0.0.0-0&fd00:5:52::-64`.
  static func name(_ prefixes: [IPPrefix]) -> String {
    let parts = [IPFamily.v4, .v6].map { family in
      prefixes.first { $0.family == family }.map { "\($0.first)-\($0.length)" }
    }
    return (parts[0] ?? "0.0.0.0-0") + (parts[1].map { "&\($0)" } ?? "")
  }

  /// The subnets that a key's last part names; `nil` where it is none of flannel's.
  static func prefixes(_ name: Substring) -> [IPPrefix]? {
    var prefixes: [IPPrefix] = []
    for part in name.split(separator: "&", omittingEmptySubsequences: false) {
      guard let dash = part.lastIndex(of: "-"), let address = IPAddress(String(part[..<dash])),
        let length = Int(part[part.index(after: dash)...]), let prefix = IPPrefix(address, length: length)
      else { return nil }
      if length > 0 { prefixes.append(prefix.network) }
    }
    return prefixes.isEmpty ? nil : prefixes
  }

  /// What stands for this host, beside what `value` has already.
  static func value(of host: OverlayHost, vni: Int, besides value: JSONValue? = nil) -> JSONValue {
    var members = value?.object ?? [:]
    let isV4 = host.local.family == .v4
    members["PublicIP"] = isV4 ? .string(host.local.description) : members["PublicIP"] ?? "0.0.0.0"
    if !isV4 { members["PublicIPv6"] = .string(host.local.description) }
    members["BackendType"] = "vxlan"
    let dataKey = isV4 ? "BackendData" : "BackendV6Data"
    var data = members[dataKey]?.object ?? [:]
    data["VNI"] = .integer(Int64(vni))
    data["VtepMAC"] = .string(host.tunnelMAC(vni).description)
    members[dataKey] = .object(data)
    return .object(members)
  }

  /// The host's address of that family.
  func address(_ family: IPFamily) -> IPAddress? {
    guard let text = value[family == .v4 ? "PublicIP" : "PublicIPv6"]?.string, let address = IPAddress(text),
      address.value != 0
    else { return nil }
    return address
  }

  /// The host as a peer of one whose underlay is of that family.
  ///
  /// - Throws: why it is none, in a few words.
  func peer(over family: IPFamily) throws(NoPeer) -> OverlayPeer {
    let type = value["BackendType"]?.string ?? "none"
    guard type == "vxlan" else { throw NoPeer(reason: "its BackendType is \(type)") }
    guard let vtep = address(family) else { throw NoPeer(reason: "it has no IPv\(family.digit) address") }
    let data = value[family == .v4 ? "BackendData" : "BackendV6Data"]
    guard let mac = data?["VtepMAC"]?.string.flatMap(MACAddress.init), !mac.isZero, !mac.isMulticast else {
      throw NoPeer(reason: "it has no VtepMAC")
    }
    return OverlayPeer(vtep, vtepMAC: mac, subnets: prefixes.filter { !isElsewhere($0.family, from: family) })
  }

  /// Whether subnets of a family are behind a device of their own: flanneld has one for each family of its underlay.
  func isElsewhere(_ family: IPFamily, from underlay: IPFamily) -> Bool {
    family != underlay && value["BackendData"]?.object != nil && value["BackendV6Data"]?.object != nil
  }
}

/// Why an entry of etcd stands for no host that we reach.
struct NoPeer: Error {
  var reason: String
}

extension OverlayHost {
  func tunnelMAC(_ vni: Int) -> MACAddress { vtepMAC ?? MACAddress(forTunnelOf: vni, from: local) }
}
