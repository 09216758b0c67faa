public import CNI
public import NetTypes

/// A name server on the host that only a bridge's containers and the host may query: port 53, UDP and TCP.
///
/// Queries from the bridge are accepted; the backend `iptables` does so ahead of the host's own rules of INPUT. Queries from
/// the host itself are left to the other rules. All other queries to the address are dropped. Each address has one such rule;
/// it is removed with its last owner.
public struct NameService: Equatable, Sendable {
  /// The link on which the containers' packets arrive.
  public var bridge: InterfaceName
  /// The name server's address, one of the host's.
  public var address: IPAddress

  /// The port of DNS (RFC 1035, section 4.2).
  public static let port: UInt16 = 53

  public init(_ bridge: InterfaceName, address: IPAddress) {
    self.bridge = bridge
    self.address = address
  }
}

extension NameService: JSONReadable {
  var json: JSONValue { .record(["bridge": .text(bridge), "address": .text(address)]) }

  public init(_ json: JSONReader) throws(CNIError) {
    self.init(try json.required("bridge").parsed(), address: try json.required("address").parsed())
  }
}
