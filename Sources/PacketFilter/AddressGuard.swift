public import CNI
public import NetTypes

/// Packets and ARP that enter a bridge by this port must come from one of these addresses.
///
/// Three kinds of frames pass in any case: those from link-local IPv6 addresses, those without a source address yet
/// (`::`, ARP probes), and those that are neither IP nor ARP.
public struct AddressGuard: Equatable, Sendable {
  /// The bridge port: the host's end of the veth pair.
  public var port: InterfaceName
  public var addresses: [IPAddress]

  public init(_ port: InterfaceName, _ addresses: [IPAddress]) {
    self.port = port
    self.addresses = addresses
  }
}

extension AddressGuard: JSONReadable {
  var json: JSONValue { .record(["port": .text(port), "addresses": .texts(addresses)]) }

  public init(_ json: JSONReader) throws(CNIError) {
    self.init(try json.required("port").parsed(), try json.parsedList("addresses") ?? [])
  }
}
