public import CNI
public import NetTypes

/// Packets and ARP that enter a bridge by this port must come from one of these addresses.
///
/// Link-local IPv6 addresses and what stands for none yet (`::`, ARP probes) pass, and so does what is neither IP nor ARP.
public struct AddressGuard: Equatable, Sendable {
  /// On the host.
  public var port: InterfaceName
  public var addresses: [IPAddress]

  public init(_ port: InterfaceName, _ addresses: [IPAddress]) {
    self.port = port
    self.addresses = addresses
  }
}

extension AddressGuard: JSONReadable {
  var members: [String: JSONValue] {
    ["port": .string(port.description), "addresses": .array(addresses.map { .string($0.description) })]
  }

  public init(_ json: JSONReader) throws(CNIError) {
    self.init(try json.required("port").parsed(), try json.parsedList("addresses") ?? [])
  }
}
