public import CNI

/// A file by its path and by what it was there: another file that comes in its place is none of ours.
public struct KnownFile: Hashable, Sendable {
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

extension KnownFile: JSONReadable {
  public init(_ json: JSONReader) throws(CNIError) {
    path = try json.required("path").text()
    // The two may have 64 bits, of which JSON's numbers take 63.
    device = UInt(bitPattern: try json.required("device").integer())
    inode = UInt(bitPattern: try json.required("inode").integer())
  }

  public var json: JSONValue {
    .object([
      "path": .string(path), "device": .integer(Int64(truncatingIfNeeded: device)),
      "inode": .integer(Int64(truncatingIfNeeded: inode)),
    ])
  }
}
