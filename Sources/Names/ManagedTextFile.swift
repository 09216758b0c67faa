public import CNI
public import NetTypes

/// The record of a container's `resolv.conf` or `hostname` file: what we wrote, and the attachments that use it.
public struct ManagedTextFile: Equatable, Sendable {
  public enum Kind: String, Sendable { case resolvConf, hostname }

  public var kind: Kind
  public var path: ContainerPath
  /// `st_dev` and `st_ino` of `stat(2)`; `nil` until the file exists.
  public var device: UInt?
  public var inode: UInt?
  /// Whether we created it; a file that was there before us is not removed.
  public var isCreatedByUs: Bool
  /// The directories that we created for it, the outermost first.
  public var createdDirectories: [String]
  /// The attachments that use it, in the order of their ADDs.
  public var holders: [Holder] = []
  /// The text that we wrote last; empty if none.
  public var written = ""
  /// The text of a rewrite in progress; `nil` once it is written.
  public var next: String?

  public init(_ kind: Kind, at path: ContainerPath, isCreatedByUs: Bool, createdDirectories: [String]) {
    self.kind = kind
    self.path = path
    self.isCreatedByUs = isCreatedByUs
    self.createdDirectories = createdDirectories
  }

  /// An attachment that uses the file.
  public struct Holder: Equatable, Sendable {
    public var network: NetworkName
    public var interface: InterfaceName
    public var entries: PartialResolvConf
    /// Whether it has an IPv6 address as the source for queries to an IPv6 server.
    public var hasIPv6: Bool

    public init(_ owner: AttachmentID, _ entries: PartialResolvConf, hasIPv6: Bool) {
      network = owner.network
      interface = owner.interface
      self.entries = entries
      self.hasIPv6 = hasIPv6
    }

    public func belongs(to owner: AttachmentID) -> Bool { network == owner.network && interface == owner.interface }
  }

  public func isHeld(by owner: AttachmentID) -> Bool { holders.contains { $0.belongs(to: owner) } }

  /// Whether all of the file's present text comes from us.
  ///
  /// An interrupted rewrite leaves comments and lines of both the old and the new text.
  public func isOurs(_ now: String) -> Bool {
    if now == written || now == next { return true }
    guard let next else { return false }
    let ourLines = Set((written + next).split(separator: "\n"))
    return now.split(separator: "\n").allSatisfy { $0.hasPrefix("#") || ourLines.contains($0) }
  }

  /// The `resolv.conf` that the users of the file want together.
  public func resolvConf(host: PartialResolvConf, notes: inout [String]) -> ResolvConf {
    ResolvConf(holders.map { $0.entries }, host: host, hasIPv6: holders.contains(where: { $0.hasIPv6 }), notes: &notes)
  }
}

/// The record of the `resolv.conf` and `hostname` files of one container.
public struct ContainerTextRecord: JSONReadable, Equatable, Sendable {
  public var container: ContainerID
  public var texts: [ManagedTextFile]

  public init(_ container: ContainerID) {
    self.container = container
    texts = []
  }

  public init(_ json: JSONReader) throws(CNIError) {
    container = try json.required("container").parsed()
    texts = try json.objects("texts") ?? []
  }

  /// The state file's content.
  public var json: JSONValue {
    .record(["container": .text(container), "texts": .array(texts.map { $0.json })])
  }
}

extension ManagedTextFile: JSONReadable {
  public init(_ json: JSONReader) throws(CNIError) {
    let kind = try json.required("kind")
    guard let parsedKind = Kind(rawValue: try kind.text()) else { throw kind.refusal("resolvConf or hostname") }
    self.init(
      parsedKind, at: try json.required("path").object(), isCreatedByUs: try json.required("isMade").flag(),
      createdDirectories: try json.texts("madeDirectories") ?? [])
    // Both may use 64 bits, but JSON integers are signed here, so the bit pattern is stored.
    device = try json.integer("device").map(UInt.init(bitPattern:))
    inode = try json.integer("inode").map(UInt.init(bitPattern:))
    holders = try json.objects("holders") ?? []
    written = try json.text("written") ?? ""
    next = try json.text("next")
  }

  fileprivate var json: JSONValue {
    .record([
      "kind": .text(kind.rawValue), "path": path.json, "isMade": .bool(isCreatedByUs), "written": .text(written),
      "next": .text(next), "madeDirectories": .texts(createdDirectories), "holders": .array(holders.map { $0.json }),
      "device": .number(device), "inode": .number(inode),
    ])
  }
}

extension ManagedTextFile.Holder: JSONReadable {
  public init(_ json: JSONReader) throws(CNIError) {
    network = try json.required("network").parsed()
    interface = try json.required("interface").parsed()
    entries = try json.required("wish").object()
    hasIPv6 = try json.required("hasIPv6").flag()
  }

  fileprivate var json: JSONValue {
    .record([
      "network": .text(network), "interface": .text(interface), "wish": entries.json, "hasIPv6": .bool(hasIPv6),
    ])
  }
}
