import CNI
import Etcd
import NetTypes

/// The value of an address's key.
struct AddressRecord: JSONReadable, Hashable, CustomStringConvertible {
  var owner: AttachmentKey
  var node: String
  /// The ID of the ADD that wrote it: an ADD without an answer sees by it whether its write was carried out.
  var attempt: String

  init(owner: AttachmentKey, node: NodeName, attempt: String) {
    self.owner = owner
    self.node = node.description
    self.attempt = attempt
  }

  init(_ json: JSONReader) throws(CNIError) {
    owner = AttachmentKey(
      container: try json.required("container").text(), interface: try json.required("interface").text())
    node = try json.required("node").text()
    attempt = try json.required("attempt").text()
  }

  /// `nil` if another program wrote the key.
  init?(_ pair: EtcdPair) {
    guard let read = try? CNIJSON.decode(AddressRecord.self, from: pair.value) else { return nil }
    self = read
  }

  var bytes: [UInt8] {
    JSONValue.record([
      "container": .text(owner.container), "interface": .text(owner.interface), "node": .text(node),
      "attempt": .text(attempt),
    ]).bytes
  }

  var description: String { "container \(owner.container) (\(owner.interface)) on \(node)" }
}

/// The value of an attachment's key.
struct AttachmentRecord: JSONReadable, Hashable {
  var addresses: [IPAddress]
  var attempt: String

  init(addresses: [IPAddress], attempt: String) {
    self.addresses = addresses
    self.attempt = attempt
  }

  init(_ json: JSONReader) throws(CNIError) {
    addresses = try json.required("addresses").elements().parsed()
    attempt = try json.required("attempt").text()
  }

  /// Parses the value of an attachment's key.
  ///
  /// - Throws: code 108 if another program wrote the key.
  init(_ pair: EtcdPair) throws(CNIError) {
    do throws(CNIError) {
      self = try CNIJSON.decode(AttachmentRecord.self, from: pair.value)
    } catch {
      throw CNIError(
        .etcdRefused, "read key \(pair.key) of etcd: want a value that ipam-etcd wrote: \(error.message)",
        details: error.details)
    }
  }

  var bytes: [UInt8] { JSONValue.record(["addresses": .texts(addresses), "attempt": .text(attempt)]).bytes }
}

extension [JSONReader] {
  fileprivate func parsed() throws(CNIError) -> [IPAddress] {
    var addresses: [IPAddress] = []
    for item in self { addresses.append(try item.parsed()) }
    return addresses
  }
}
