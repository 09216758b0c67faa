public import CNI
public import NetTypes

/// Addresses and their names: those of a service.
public struct NamedAddresses: Hashable, Sendable {
  public var names: [HostName]
  public var addresses: [IPAddress]

  public init(_ names: [HostName], _ addresses: [IPAddress]) {
    self.names = names
    self.addresses = addresses
  }

  /// Lines of a hosts file, one for each address and name, without line ends.
  public var lines: [String] { addresses.flatMap { address in names.map { "\(address)\t\($0)" } } }

  /// Lines for a name server: one for each address with all names, the name for PTR first, without line ends.
  public var serverLines: [String] {
    let names = names.filter { $0.fitsDNS }
    let all = names.map { $0.description }.joined(separator: " ")
    return names.isEmpty ? [] : addresses.map { "\($0) \(all)" }
  }
}

extension NamedAddresses: JSONReadable {
  public init(_ json: JSONReader) throws(CNIError) {
    self.init(try json.parsedList("names") ?? [], try json.parsedList("ips") ?? [])
  }

  var json: JSONValue { .record(["names": .texts(names), "ips": .texts(addresses)]) }
}
