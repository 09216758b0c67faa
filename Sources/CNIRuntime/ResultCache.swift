public import CNI
import Linux
public import NetTypes

/// The results of ADD, stored for DEL, CHECK and GC in libcni's format (`libcni/api.go`: `cachedInfo`).
///
/// Runtimes on libcni that use the same directory see our attachments, and we see theirs.
public struct ResultCache: Sendable {
  static let kind = "cniCacheV1"

  /// Holds the directory `results`.
  public var directory: String

  public init(_ directory: String = StatePaths.resultCache) { self.directory = directory }

  /// An attachment that is not detached; its ADD may have been interrupted.
  public struct Entry: Equatable, Sendable {
    public var attachment: NetworkAttachment
    /// The network's list as it was at ADD.
    public var config: [UInt8]
    /// In the list's version at ADD; `nil` if the file has none.
    public var result: JSONValue?
    /// Whether the ADDs are still running or were interrupted.
    public var isUnfinished = false
  }

  private var results: RecordDirectory {
    RecordDirectory("\(directory)/results", mode: 0o700, fileMode: 0o600, isDurable: true)
  }

  /// `nil` if there is no entry of the attachment.
  ///
  /// - Throws: code 5 if the file cannot be read, code 6 if its content is not valid.
  public func entry(_ owner: AttachmentID) throws(CNIError) -> Entry? {
    for name in Self.names(owner) {
      let bytes: [UInt8]?
      do throws(KernelError) { bytes = try results.read(name) } catch { throw CNIError(error, as: .ioFailure) }
      guard let bytes else { continue }
      guard let entry = Entry(try CNIJSON.decodeValue(bytes)) else {
        throw CNIError(.decodingFailure, "cached result \(results.file(name)): want an object of kind \"\(Self.kind)\"")
      }
      if entry.attachment.owner == owner { return entry }
    }
    return nil
  }

  /// All attachments, or those of one network or one container in it, sorted by file name.
  ///
  /// Files of other networks and containers are not read. Files in another format are skipped, because several runtimes
  /// share the directory.
  ///
  /// - Throws: code 5 if the directory cannot be read.
  public func entries(of network: NetworkName? = nil, container: ContainerID? = nil) throws(CNIError) -> [Entry] {
    let names: [String]
    do throws(KernelError) { names = try results.names() } catch { throw CNIError(error, as: .ioFailure) }
    return names.compactMap { name in
      guard Self.mayBe(name, of: network, container) else { return nil }
      // A file that is removed meanwhile or cannot be parsed is skipped.
      guard let bytes = try? results.read(name), let value = try? CNIJSON.decodeValue(bytes),
        let entry = Entry(value), Self.names(entry.attachment.owner).contains(name)
      else { return nil }
      let owner = entry.attachment.owner
      return (network ?? owner.network, container ?? owner.container) == (owner.network, owner.container) ? entry : nil
    }
  }

  /// The attachments of these networks, of all networks if none is given.
  public func entries(ofAny networks: [NetworkName]) throws(CNIError) -> [Entry] {
    guard !networks.isEmpty else { return try entries() }
    var matching: [Entry] = []
    for network in networks { matching += try entries(of: network) }
    return matching
  }

  func write(_ entry: Entry) throws(CNIError) {
    let bytes = entry.json.bytes
    do throws(KernelError) {
      try results.write(freeName(entry.attachment.owner), bytes)
    } catch {
      throw CNIError(error, as: .ioFailure)
    }
  }

  func remove(_ owner: AttachmentID) throws(CNIError) {
    do throws(KernelError) {
      for name in Self.names(owner) where try holder(name) ?? owner == owner { try results.remove(name) }
    } catch { throw CNIError(error, as: .ioFailure) }
  }
}

/// The names of its files.
extension ResultCache {
  /// libcni's name, and a second one if another attachment has the same name or if it is too long for a file.
  private static func names(_ owner: AttachmentID) -> [String] {
    let plain = "\(owner.network)-\(owner.container)-\(owner.interface)"
    let hash = AttachmentID.shortHash("\(owner.network)/\(owner.container)/\(owner.interface)")
    return (isShort(plain) ? [plain] : []) + ["\(owner.network)-\(hash)", hash].filter(isShort).prefix(1)
  }

  private static func isShort(_ name: String) -> Bool { name.utf8.count <= 240 }

  private static func mayBe(_ name: String, of network: NetworkName?, _ container: ContainerID?) -> Bool {
    guard let network, isShort("\(network)-0123456789abc") else { return true }
    guard name.hasPrefix("\(network)-") else { return false }
    guard let container else { return true }
    return name.hasPrefix("\(network)-\(container)-") || name.utf8.count == "\(network)-0123456789abc".utf8.count
  }

  /// The attachment in that file; `nil` if there is no such file or it has no attachment.
  private func holder(_ name: String) throws(KernelError) -> AttachmentID? {
    guard let bytes = try results.read(name), let value = try? CNIJSON.decodeValue(bytes),
      let owner = Entry(value)?.attachment.owner, Self.names(owner).contains(name)
    else { return nil }
    return owner
  }

  private func freeName(_ owner: AttachmentID) throws(KernelError) -> String {
    let names = Self.names(owner)
    for name in names where try holder(name) ?? owner == owner { return name }
    return names[names.count - 1]
  }
}

extension ResultCache.Entry {
  var json: JSONValue {
    let owner = attachment.owner, capabilityArguments = attachment.capabilityArguments
    return .record([
      "kind": .text(ResultCache.kind), "containerId": .text(owner.container), "ifName": .text(owner.interface),
      "networkName": .text(owner.network), "config": .text(Base64.encode(config)),
      "netns": .nonEmptyText(attachment.namespacePath),
      "cniArgs": .nonEmpty(attachment.arguments.map { .array([.string($0.key), .string($0.value)]) }),
      "capabilityArgs": capabilityArguments.isEmpty ? nil : .object(capabilityArguments), "result": result,
      "isUnfinished": .flag(isUnfinished),
    ])
  }

  /// `nil` for anything of another kind, or without the three names.
  init?(_ value: JSONValue) {
    guard value["kind"]?.string == ResultCache.kind,
      let network = value["networkName"]?.string.flatMap(NetworkName.init),
      let container = value["containerId"]?.string.flatMap(ContainerID.init),
      let interface = value["ifName"]?.string.flatMap(InterfaceName.init),
      let config = Base64.decode(value["config"]?.string ?? "")
    else { return nil }
    let pairs = value["cniArgs"]?.array?.compactMap { $0.array?.compactMap(\.string) } ?? []
    result = value["result"].flatMap { $0 == .null ? nil : $0 }
    let written = value["netns"]?.string ?? ""
    attachment = NetworkAttachment(
      owner: AttachmentID(network: network, container: container, interface: interface),
      namespacePath: written.isEmpty ? Self.sandbox(of: interface, in: result) : written,
      arguments: pairs.filter { $0.count == 2 }.map { NetworkAttachment.Argument($0[0], $0[1]) },
      capabilityArguments: value["capabilityArgs"]?.object ?? [:])
    self.config = config
    isUnfinished = value["isUnfinished"] == .bool(true)
  }

  /// The namespace of the container's interface in the result; libcni before 1.2 stores it nowhere else.
  ///
  /// Empty if the result names no sandbox, or several.
  private static func sandbox(of interface: InterfaceName, in result: JSONValue?) -> String {
    let inside = (result?["interfaces"]?.array ?? []).filter { $0["sandbox"]?.string?.hasPrefix("/") == true }
    let named = inside.filter { $0["name"]?.string == interface.description }
    let paths = Set((named.isEmpty ? inside : named).compactMap { $0["sandbox"]?.string })
    return paths.count == 1 ? paths.first ?? "" : ""
  }
}
