public import CNI
import EtcdRecords
import Glibc
import Linux
public import NetTypes

/// The state files of all networks.
///
/// `NETWORK/CONTAINER:INTERFACE.json` is for one attachment, `.files/CONTAINER.json` for one container.
///
/// Neither a container ID nor an interface name can contain a `:`, so no two attachments share a file.
public struct StateDirectory: Sendable {
  public let path: String

  public init(_ path: String = StatePaths.dnsHosts) { self.path = path }

  func directory(of network: NetworkName) -> String { "\(path)/\(network)" }

  private func file(_ owner: AttachmentID) -> String {
    "\(directory(of: owner.network))/\(stem(owner.container)):\(owner.interface).json"
  }

  private func recordFile(_ container: ContainerID) -> String { "\(path)/.files/\(stem(container)).json" }

  /// The largest part of a file name for the container ID, in bytes, so that interface and suffix fit too.
  private static let longestStem = 200

  func stem(_ container: ContainerID) -> String {
    let text = container.description
    return text.utf8.count <= Self.longestStem ? text : AttachmentID.shortHash(text)
  }
}

// MARK: attachments

extension StateDirectory {
  /// The attachment's record; `nil` if there is none.
  ///
  /// - Throws: EBADMSG if the file holds no attachment.
  public func member(_ owner: AttachmentID) throws(KernelError) -> Member? { try read(file(owner)) }

  /// The attachment's record; `nil` if there is none or the file is broken.
  func memberUnlessBroken(_ owner: AttachmentID) throws(KernelError) -> Member? { try readUnlessBroken(file(owner)) }

  /// All attachments of the network; files that hold no attachment are left out.
  ///
  /// - Throws: why a file cannot be read: the list would not be complete.
  public func members(of network: NetworkName) throws(KernelError) -> [Member] {
    let directory = directory(of: network)
    var members: [Member] = []
    for name in try (Files.list(directory) ?? []).sorted() where name.hasSuffix(".json") && !name.hasPrefix(".") {
      if let member: Member = try readUnlessBroken("\(directory)/\(name)") { members.append(member) }
    }
    return members
  }

  /// Whether any attachment of the network has a record, readable or not.
  public func hasMembers(of network: NetworkName) throws(KernelError) -> Bool {
    try (Files.list(directory(of: network)) ?? []).contains { $0.hasSuffix(".json") && !$0.hasPrefix(".") }
  }

  /// Whether the attachment has a record, readable or not.
  func hasState(of owner: AttachmentID) throws(KernelError) -> Bool { try Files.statusOfLink(file(owner)) != nil }

  /// All attachments of the network that have a record, readable or not.
  func owners(on network: NetworkName) throws(KernelError) -> [AttachmentID] {
    let directory = directory(of: network)
    var owners: [AttachmentID] = []
    // If a process was killed while it wrote a record, only the temporary file exists.
    let names = try (Files.list(directory) ?? []).map { $0.hasSuffix(".json.tmp") ? String($0.dropLast(4)) : $0 }
    for name in Set(names).sorted() where name.hasSuffix(".json") {
      // The file name identifies an attachment whose record is broken.
      let member: Member? = try readUnlessBroken("\(directory)/\(name)")
      if let owner = member?.owner ?? AttachmentID(attachment: name.dropLast(".json".count), on: network) {
        owners.append(owner)
      }
    }
    return owners
  }

  public func put(_ member: Member) throws(KernelError) {
    try SetAside.makeDirectory(directory(of: member.owner.network))
    try StateFile.replace(file(member.owner), with: member.json.bytes)
  }

  /// Removes the attachment's record; no error if there is none.
  public func remove(_ owner: AttachmentID) throws(KernelError) {
    try removeState(file(owner))
  }

  /// Removes a state file, and the temporary file of a process that was killed while it wrote it.
  func removeState(_ file: String) throws(KernelError) {
    try StateFile.remove(StateFile.unfinished(file))
    try StateFile.remove(file)
  }

  /// Removes the directories that were moved aside because they had the name of a state file.
  func removeSetAside(of network: NetworkName) throws(KernelError) {
    for directory in [directory(of: network), "\(directory(of: network))/hostsdir"] { try SetAside.clean(directory) }
    for name in ["", ".files", ".texts", ".locks"] { try SetAside.clean("\(path)/\(name)") }
  }
}

// MARK: containers

extension StateDirectory {
  /// The container's record; empty if there is none.
  ///
  /// To be called under the container's lock.
  ///
  /// - Throws: EBADMSG if the file holds no record.
  public func record(of container: ContainerID) throws(KernelError) -> ContainerRecord {
    try read(recordFile(container)) ?? ContainerRecord()
  }

  /// Writes the record; an empty one removes the file.
  public func put(_ record: ContainerRecord, of container: ContainerID) throws(KernelError) {
    let file = recordFile(container)
    guard !record.files.isEmpty else { return try removeState(file) }
    try SetAside.makeDirectory("\(path)/.files")
    try StateFile.replace(file, with: record.json.bytes)
  }

  /// The value in a state file; `nil` if there is no file or it is broken.
  func readUnlessBroken<Value: JSONReadable>(_ path: String) throws(KernelError) -> Value? {
    do throws(KernelError) { return try read(path) } catch {
      if error.isBrokenState { return nil }
      throw error
    }
  }

  func read<Value: JSONReadable>(_ path: String) throws(KernelError) -> Value? {
    guard let bytes = try StateFile.read(path) else { return nil }
    do throws(CNIError) {
      return try CNIJSON.decode(Value.self, from: bytes)
    } catch { throw KernelError("read \(path)", errno: .EBADMSG, reason: error.message) }
  }
}
