import CNI
import NetTypes

/// A host's subnets in a key under `PREFIX/subnets/`, in flannel's format.
struct FlannelSubnet: Equatable {
  /// At most one of each family, IPv4 first.
  var prefixes: [IPPrefix]
  /// Every member, also unknown ones.
  var value: JSONValue

  static func keys(_ prefix: String) -> String { "\(prefix)/subnets/" }

  /// The key's last part: `10.5.52.0-24`, or `10.5.52.0-24&fd00:5:52::-64`.
  ///
  /// With IPv6 only it is `0.0.0.0-0&fd00:5:52::-64`, because flannel reads no other form.
  static func name(_ prefixes: [IPPrefix]) -> String {
    let parts = [IPFamily.v4, .v6].map { family in
      prefixes.first { $0.family == family }.map { "\($0.first)-\($0.length)" }
    }
    return (parts[0] ?? "0.0.0.0-0") + (parts[1].map { "&\($0)" } ?? "")
  }

  /// The subnets in a key's last part; `nil` if the key is not in flannel's format.
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

  /// `value` with the members that describe this host added or replaced.
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

  /// The host as a peer of a host whose underlay has that family.
  ///
  /// - Throws: the reason if it cannot be a peer.
  func peer(over family: IPFamily) throws(UnusablePeer) -> OverlayPeer {
    let type = value["BackendType"]?.string ?? "none"
    guard type == "vxlan" else { throw UnusablePeer(reason: "its BackendType is \(type)") }
    guard let vtep = address(family) else { throw UnusablePeer(reason: "it has no IPv\(family.digit) address") }
    let data = value[family == .v4 ? "BackendData" : "BackendV6Data"]
    guard let mac = data?["VtepMAC"]?.string.flatMap(MACAddress.init), !mac.isZero, !mac.isMulticast else {
      throw UnusablePeer(reason: "it has no VtepMAC")
    }
    return OverlayPeer(vtep, vtepMAC: mac, subnets: prefixes.filter { !isBehindOtherDevice($0.family, from: family) })
  }

  /// Whether that family's subnets are behind another VXLAN device, as flanneld has one for each underlay family.
  func isBehindOtherDevice(_ family: IPFamily, from underlay: IPFamily) -> Bool {
    family != underlay && value["BackendData"]?.object != nil && value["BackendV6Data"]?.object != nil
  }
}

/// The reason why an entry in etcd is not a usable peer.
struct UnusablePeer: Error {
  var reason: String
}

extension OverlayHost {
  func tunnelMAC(_ vni: Int) -> MACAddress { vtepMAC ?? MACAddress(forTunnelOf: vni, from: local) }
}
