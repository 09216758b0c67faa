public import CNI
import Glibc
import Linux
public import NetTypes

/// What is remembered of all networks: `NETWORK/CONTAINER:INTERFACE.json` for each attachment, `.files/CONTAINER.json`
/// for each container.
///
/// A `:` may stand in neither name, so that no two attachments share a file.
public struct StateDirectory: Sendable {
  public let path: String

  public static let defaultPath = "/run/cni/dns-hosts"

  public init(_ path: String = StateDirectory.defaultPath) { self.path = path }

  func directory(of network: NetworkName) -> String { "\(path)/\(network)" }

  private func file(_ owner: Owner) -> String {
    "\(directory(of: owner.network))/\(stem(owner.container)):\(owner.interface).json"
  }

  private func recordFile(_ container: ContainerID) -> String { "\(path)/.files/\(stem(container)).json" }

  /// The longest part of a file's name that the rest leaves room for, in bytes.
  private static let longestStem = 200

  func stem(_ container: ContainerID) -> String {
    let text = container.description
    return text.utf8.count <= Self.longestStem ? text : Owner.shortHash(text)
  }
}

// MARK: attachments

extension StateDirectory {
  /// `nil` where nothing is remembered.
  ///
  /// - Throws: EBADMSG where the file holds no attachment.
  public func member(_ owner: Owner) throws(KernelError) -> Member? { try read(file(owner)) }

  /// `nil` also where the file holds no attachment.
  func memberUnlessBroken(_ owner: Owner) throws(KernelError) -> Member? { try readUnlessBroken(file(owner)) }

  /// All of the network; files that hold no attachment are left out.
  ///
  /// - Throws: what keeps a file from being read: the members are unknown then.
  public func members(of network: NetworkName) throws(KernelError) -> [Member] {
    let directory = directory(of: network)
    var members: [Member] = []
    for name in try (Files.list(directory) ?? []).sorted() where name.hasSuffix(".json") && !name.hasPrefix(".") {
      if let member: Member = try readUnlessBroken("\(directory)/\(name)") { members.append(member) }
    }
    return members
  }

  /// Whether any attachment of the network is remembered, readable or not.
  public func hasMembers(of network: NetworkName) throws(KernelError) -> Bool {
    try (Files.list(directory(of: network)) ?? []).contains { $0.hasSuffix(".json") && !$0.hasPrefix(".") }
  }

  /// Whether anything is remembered, readable or not.
  func hasState(of owner: Owner) throws(KernelError) -> Bool { try Files.statusOfLink(file(owner)) != nil }

  /// Everybody of whom something is remembered on the network, readable or not.
  func owners(on network: NetworkName) throws(KernelError) -> [Owner] {
    let directory = directory(of: network)
    var owners: [Owner] = []
    // One that was not even remembered whole left its unfinished file alone.
    let names = try (Files.list(directory) ?? []).map { $0.hasSuffix(".json.tmp") ? String($0.dropLast(4)) : $0 }
    for name in Set(names).sorted() where name.hasSuffix(".json") {
      // The name tells enough of one that is broken.
      let member: Member? = try readUnlessBroken("\(directory)/\(name)")
      if let owner = member?.owner ?? Owner(attachment: name.dropLast(".json".count), on: network) {
        owners.append(owner)
      }
    }
    return owners
  }

  public func put(_ member: Member) throws(KernelError) {
    try SetAside.makeDirectory(directory(of: member.owner.network))
    try StateFile.replace(file(member.owner), with: member.json.bytes)
  }

  /// Nothing happens where nothing is remembered.
  public func remove(_ owner: Owner) throws(KernelError) {
    try removeState(file(owner))
  }

  /// Removes a state file, and what a process left that ended while writing it.
  func removeState(_ file: String) throws(KernelError) {
    try StateFile.remove(StateFile.unfinished(file))
    try StateFile.remove(file)
  }

  /// Removes directories that stood in the place of state files.
  func removeSetAside(of network: NetworkName) throws(KernelError) {
    for directory in [directory(of: network), "\(directory(of: network))/hostsdir"] { try SetAside.clean(directory) }
    for name in ["", ".files", ".texts", ".locks"] { try SetAside.clean("\(path)/\(name)") }
  }
}

// MARK: containers

extension StateDirectory {
  /// Empty where nothing is remembered; to be asked under the container's lock.
  ///
  /// - Throws: EBADMSG where the file holds no record.
  public func record(of container: ContainerID) throws(KernelError) -> ContainerRecord {
    try read(recordFile(container)) ?? ContainerRecord()
  }

  /// Replaces the record; an empty one leaves no file.
  public func put(_ record: ContainerRecord, of container: ContainerID) throws(KernelError) {
    let file = recordFile(container)
    guard !record.files.isEmpty else { return try removeState(file) }
    try SetAside.makeDirectory("\(path)/.files")
    try StateFile.replace(file, with: record.json.bytes)
  }

  /// `nil` also for a file that holds no such value.
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
