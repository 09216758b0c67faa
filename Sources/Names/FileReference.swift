public import CNI

/// A file by path, device and inode: another file at the same path is not ours.
public struct FileReference: Hashable, Sendable {
  public var path: String
  /// `st_dev` and `st_ino` of `stat(2)`.
  public var device: UInt
  public var inode: UInt

  public init(path: String, device: UInt, inode: UInt) {
    self.path = path
    self.device = device
    self.inode = inode
  }
}

extension FileReference: JSONReadable {
  public init(_ json: JSONReader) throws(CNIError) {
    path = try json.required("path").text()
    // Both may use 64 bits, but JSON integers are signed here, so the bit pattern is stored.
    device = UInt(bitPattern: try json.required("device").integer())
    inode = UInt(bitPattern: try json.required("inode").integer())
  }

  public var json: JSONValue {
    .record(["path": .text(path), "device": .number(device), "inode": .number(inode)])
  }
}
