public import CNI
import CNIJSON
import Kernel
import Linux
import NetTypes

/// What ADD answered, kept for DEL, CHECK and GC in libcni's format (`libcni/api.go`: `cachedInfo`).
///
/// Runtimes on libcni that use the same directory see our attachments, and we see theirs.
public struct ResultCache: Sendable {
  public static let standard = "/var/lib/cni"
  static let kind = "cniCacheV1"

  /// Holds the directory `results`.
  public var directory: String

  public init(_ directory: String = ResultCache.standard) { self.directory = directory }

  /// An attachment that stands, or that nobody has detached yet.
  public struct Entry: Equatable, Sendable {
    public var attachment: NetworkAttachment
    /// The network's list as it was at ADD.
    public var config: [UInt8]
    /// In the list's version at ADD; `nil` where the writer kept none.
    public var result: JSONValue?
  }

  private var results: String { "\(directory)/results" }

  func path(_ owner: Owner) -> String { "\(results)/\(owner.network)-\(owner.container)-\(owner.interface)" }

  /// `nil` where the attachment is not known.
  ///
  /// - Throws: code 5 where the file cannot be read, code 6 where it is not what it should be.
  public func entry(_ owner: Owner) throws(CNIError) -> Entry? {
    let bytes: [UInt8]?
    do throws(KernelError) { bytes = try Files.readIfPresent(path(owner)) } catch { throw CNIError(.ioFailure, error) }
    guard let bytes else { return nil }
    guard let entry = Entry(try CNIJSON.decodeValue(bytes)) else {
      throw CNIError(.decodingFailure, "cached result \(path(owner)): want an object of kind \"\(Self.kind)\"")
    }
    return entry
  }

  /// Every attachment, sorted by file name.
  ///
  /// Files of another format are passed over: several runtimes share the directory.
  ///
  /// - Throws: code 5 where the directory cannot be read.
  public func entries() throws(CNIError) -> [Entry] {
    let names: [String]
    do throws(KernelError) { names = try Files.list(results) ?? [] } catch { throw CNIError(.ioFailure, error) }
    return names.sorted().compactMap { name in
      // A file that vanishes or cannot be parsed is no attachment of ours to report.
      guard let bytes = try? Files.read("\(results)/\(name)"), let value = try? CNIJSON.decodeValue(bytes),
        let entry = Entry(value), path(entry.attachment.owner) == "\(results)/\(name)"
      else { return nil }
      return entry
    }
  }

  /// The attachments of one network.
  public func entries(of network: NetworkName) throws(CNIError) -> [Entry] {
    try entries().filter { $0.attachment.owner.network == network }
  }

  func write(_ entry: Entry) throws(CNIError) {
    let bytes = entry.json.bytes
    do throws(KernelError) {
      try Files.makeDirectories(results, mode: 0o700)
      try Files.replace(path(entry.attachment.owner), with: bytes, mode: 0o600)
    } catch {
      throw CNIError(.ioFailure, error)
    }
  }

  func remove(_ owner: Owner) throws(CNIError) {
    do throws(KernelError) { try Files.remove(path(owner)) } catch { throw CNIError(.ioFailure, error) }
  }
}

extension ResultCache.Entry {
  var json: JSONValue {
    var members: [String: JSONValue] = [
      "kind": .string(ResultCache.kind),
      "containerId": .string(attachment.owner.container.description),
      "config": .string(Base64.encode(config)),
      "ifName": .string(attachment.owner.interface.description),
      "networkName": .string(attachment.owner.network.description),
    ]
    if !attachment.namespacePath.isEmpty { members["netns"] = .string(attachment.namespacePath) }
    if !attachment.arguments.isEmpty {
      members["cniArgs"] = .array(attachment.arguments.map { .array([.string($0.key), .string($0.value)]) })
    }
    if !attachment.capabilityArguments.isEmpty { members["capabilityArgs"] = .object(attachment.capabilityArguments) }
    members["result"] = result
    return .object(members)
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
      owner: Owner(network: network, container: container, interface: interface),
      namespacePath: written.isEmpty ? Self.sandbox(of: interface, in: result) : written,
      arguments: pairs.filter { $0.count == 2 }.map { NetworkAttachment.Argument($0[0], $0[1]) },
      capabilityArguments: value["capabilityArgs"]?.object ?? [:])
    self.config = config
  }

  /// The namespace that the result names for the container's interface; libcni before 1.2 keeps no other.
  ///
  /// Empty if the result names no sandbox, or several.
  private static func sandbox(of interface: InterfaceName, in result: JSONValue?) -> String {
    let inside = (result?["interfaces"]?.array ?? []).filter { $0["sandbox"]?.string?.hasPrefix("/") == true }
    let named = inside.filter { $0["name"]?.string == interface.description }
    let paths = Set((named.isEmpty ? inside : named).compactMap { $0["sandbox"]?.string })
    return paths.count == 1 ? paths.first ?? "" : ""
  }
}
