import CNI
import EtcdRecords
import Linux
import NetTypes

/// The attachments on other hosts whose names this host's files hold: `NETWORK/.remote.json`.
struct RemoteRecord: Equatable {
  var members: [RemoteMember] = []
  /// Attachments whose lines are being removed and may still be in the files.
  var leaving: [RemoteMember] = []
  /// The name server files that hold the names.
  var servers: [NameServerTarget] = []
  /// Whether the files match this record; `false` while they are changed and after a crash.
  var isSettled = true

  /// All lines that may be in a hosts file.
  var lines: [String] { (members + leaving).flatMap { $0.lines } }
}

extension RemoteRecord: JSONReadable {
  init(_ json: JSONReader) throws(CNIError) {
    members = try Self.members(json, "members")
    leaving = try Self.members(json, "leaving")
    servers = try json.objects("servers") ?? []
    isSettled = try json.flag("isSettled") ?? false
  }

  private static func members(_ json: JSONReader, _ key: String) throws(CNIError) -> [RemoteMember] {
    let network = try json.required("network").parsed(as: NetworkName.self)
    return try json.list(key) { (item) throws(CNIError) in
      let name = try item.required("attachment")
      guard let owner = AttachmentID(attachment: try name.text(), on: network) else {
        throw name.refusal("a container and an interface with a ':' between them")
      }
      return try RemoteMember(of: owner, item)
    } ?? []
  }

  func json(of network: NetworkName) -> JSONValue {
    func written(_ members: [RemoteMember]) -> JSONValue {
      .array(
        members.map { member in
          var object = member.json.object ?? [:]
          object["attachment"] = object["attachment"] ?? .string(member.owner.attachment)
          return .object(object)
        })
    }
    return .object([
      "network": .string(network.description), "members": written(members), "leaving": written(leaving),
      "servers": .array(servers.map { $0.json }), "isSettled": .bool(isSettled),
    ])
  }
}

extension StateDirectory {
  private func remoteFile(_ network: NetworkName) -> String { "\(directory(of: network))/.remote.json" }

  /// The record; `nil` if there is none.
  ///
  /// - Throws: EBADMSG if the file holds no such record.
  func remote(_ network: NetworkName) throws(KernelError) -> RemoteRecord? { try read(remoteFile(network)) }

  func put(_ record: RemoteRecord, of network: NetworkName) throws(KernelError) {
    let file = remoteFile(network)
    try StateFile.replace(file, with: record.json(of: network).bytes)
  }

  /// Removes the record; no error if there is none.
  func removeRemote(_ network: NetworkName) throws(KernelError) {
    try removeState(remoteFile(network))
  }
}
