import CNI
import NetTypes

/// The keys in etcd that hosts of mode l2 write for themselves and for their containers.
enum BridgedKeys {
  static func hosts(_ prefix: String) -> String { "\(prefix)/hosts/" }
  static func endpoints(_ prefix: String) -> String { "\(prefix)/endpoints/" }
}

/// A host's entry: `PREFIX/hosts/192.0.2.1`.
enum BridgedHost {
  static func value(of host: OverlayHost, vni: Int) -> JSONValue {
    .record(["vtep": .text(host.local), "vtepMac": .text(host.tunnelMAC(vni)), "vni": .number(vni)])
  }

  /// `nil` if the value is not a host's entry.
  static func peer(_ value: JSONValue) -> OverlayPeer? {
    guard let vtep = value["vtep"]?.string.flatMap(IPAddress.init) else { return nil }
    return OverlayPeer(vtep, vtepMAC: value["vtepMac"]?.string.flatMap(MACAddress.init))
  }
}

/// A container's entry: `PREFIX/endpoints/10.1.2.3`.
enum BridgedEndpoint {
  static func value(of endpoint: OverlayEndpoint, _ owner: AttachmentID, at vtep: IPAddress) -> JSONValue {
    .record([
      "mac": .text(endpoint.mac), "vtep": .text(vtep), "container": .text(owner.container),
      "interface": .text(owner.interface),
    ])
  }

  /// `nil` if the value is not a container's entry.
  static func read(_ name: Substring, _ value: JSONValue) -> (vtep: IPAddress, endpoint: OverlayEndpoint)? {
    guard let address = IPAddress(String(name)), let mac = value["mac"]?.string.flatMap(MACAddress.init),
      let vtep = value["vtep"]?.string.flatMap(IPAddress.init)
    else { return nil }
    return (vtep, OverlayEndpoint(address, mac))
  }
}
