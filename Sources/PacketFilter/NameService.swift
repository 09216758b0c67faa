public import CNI
public import NetTypes

/// A name server of the host that a bridge's containers may ask and nobody else: port 53 of that address, UDP and TCP.
///
/// What comes by the bridge passes, where legacy tables would drop it too; the host itself may ask; the rest is dropped.
/// One for each address, with its last owner it goes.
public struct NameService: Equatable, Sendable {
  /// The link that the containers' packets come by.
  public var bridge: InterfaceName
  /// One of the host's.
  public var address: IPAddress

  /// The port of DNS (RFC 1035, section 4.2).
  public static let port: UInt16 = 53

  public init(_ bridge: InterfaceName, address: IPAddress) {
    self.bridge = bridge
    self.address = address
  }
}

extension NameService: JSONReadable {
  var members: [String: JSONValue] {
    ["bridge": .string(bridge.description), "address": .string(address.description)]
  }

  public init(_ json: JSONReader) throws(CNIError) {
    self.init(try json.required("bridge").parsed(), address: try json.required("address").parsed())
  }
}
