public import CNI
public import NetTypes

/// The files of one container, which its attachments to all networks share.
public struct ContainerRecord: Equatable, Sendable {
  public var files: [ManagedFile]

  public init(files: [ManagedFile] = []) { self.files = files }

  /// A file, the attachments that use it, and the directories to remove together with it.
  public struct ManagedFile: Equatable, Sendable {
    public var file: FileReference
    /// The path under which we created it; `nil` if the file was there before us, so that it is never removed.
    public var createdPath: ContainerPath?
    /// The directories that we created for it, the outermost first.
    public var createdDirectories: [String]
    /// The attachments that use it, in the order of their ADDs.
    public var holders: [Holder]

    public init(
      _ file: FileReference, createdPath: ContainerPath? = nil, createdDirectories: [String] = [],
      holders: [Holder] = []
    ) {
      self.file = file
      self.createdPath = createdPath
      self.createdDirectories = createdDirectories
      self.holders = holders
    }
  }

  /// One of the container's attachments.
  public struct Holder: Hashable, Sendable {
    public var network: NetworkName
    public var interface: InterfaceName

    public init(_ owner: AttachmentID) {
      network = owner.network
      interface = owner.interface
    }
  }
}

extension ContainerRecord: JSONReadable {
  public init(_ json: JSONReader) throws(CNIError) { files = try json.objects("files") ?? [] }

  /// The file's content.
  public var json: JSONValue { .object(["files": .array(files.map { $0.json })]) }
}

extension ContainerRecord.ManagedFile: JSONReadable {
  public init(_ json: JSONReader) throws(CNIError) {
    self.init(
      try json.required("file").object(), createdPath: try json.object("made"),
      createdDirectories: try json.texts("madeDirectories") ?? [], holders: try json.objects("holders") ?? [])
  }

  var json: JSONValue {
    .record([
      "file": file.json, "made": createdPath?.json, "madeDirectories": .texts(createdDirectories),
      "holders": .array(holders.map { $0.json }),
    ])
  }
}

extension ContainerRecord.Holder: JSONReadable {
  public init(_ json: JSONReader) throws(CNIError) {
    network = try json.required("network").parsed()
    interface = try json.required("interface").parsed()
  }

  var json: JSONValue { .record(["network": .text(network), "interface": .text(interface)]) }
}
