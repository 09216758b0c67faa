import CNI
import NetTypes
import PacketFilter

/// The entry of a container with labels, in mode l3: `PREFIX/labels/10.5.52.9`.
enum LabelledContainer {
  static func keys(_ prefix: String) -> String { "\(prefix)/labels/" }

  static func value(of member: FarMember, _ owner: AttachmentID, at vtep: IPAddress) -> JSONValue {
    .record([
      "labels": .texts(member.labels), "vtep": .text(vtep), "container": .text(owner.container),
      "interface": .text(owner.interface),
    ])
  }

  /// `nil` if the value is not such an entry.
  static func read(_ name: Substring, _ value: JSONValue) -> (vtep: IPAddress, member: FarMember)? {
    guard let address = IPAddress(String(name)), let vtep = value["vtep"]?.string.flatMap(IPAddress.init),
      let labels = value["labels"]?.array
    else { return nil }
    return (vtep, FarMember(address, labels.compactMap { $0.string.flatMap(Label.init) }))
  }
}
