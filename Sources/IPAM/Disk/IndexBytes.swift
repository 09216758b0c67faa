import Linux
import NetTypes

/// The bytes of an index: in memory while it is built or if no file can be written, otherwise in its file.
struct IndexBytes: ~Copyable {
  /// `nil` if the bytes are in the file.
  private var memory: [UInt8]?
  private let file: Descriptor?

  init(file: consuming Descriptor?) {
    self.file = file
    memory = nil
  }

  var isInFile: Bool { memory == nil && file != nil }

  /// 0 if there is no file.
  func fileSize() throws(KernelError) -> Int {
    guard let size = try file?.status().size else { return 0 }
    return size
  }

  /// Replaces the content by that many zero bytes, in memory.
  mutating func reset(count: Int) { memory = [UInt8](repeating: 0, count: count) }

  /// Writes the bytes in memory to the file, with the first `headerSize` bytes cleared; no-op without a file.
  mutating func writeToFile(headerSize: Int) throws(KernelError) {
    guard let bytes = memory, let size = try file?.status().size else { return }
    // Cleared first: after a crash in this function, the old header must not appear with the new content.
    try file?.write([UInt8](repeating: 0, count: headerSize), at: 0)
    if size != bytes.count { try file?.resize(to: bytes.count) }
    try file?.write(bytes, at: 0)
    memory = nil
  }

  func words(at offset: Int, count: Int) throws(KernelError) -> [UInt64] {
    let bytes: [UInt8]
    if let memory {
      bytes = Array(memory[offset..<(offset + 8 * count)])
    } else {
      bytes = try file?.read(at: offset, count: 8 * count) ?? []
    }
    guard bytes.count == 8 * count else {
      throw KernelError("read index", errno: .none, reason: "it ends at \(offset + bytes.count)")
    }
    var words: [UInt64] = []
    words.reserveCapacity(count)
    for start in stride(from: 0, to: bytes.count, by: 8) {
      var word: UInt64 = 0
      for byte in bytes[start..<(start + 8)].reversed() { word = word << 8 | UInt64(byte) }
      words.append(word)
    }
    return words
  }

  mutating func write(_ words: [UInt64], at offset: Int) throws(KernelError) {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(8 * words.count)
    for word in words {
      for shift: UInt64 in stride(from: 0, to: 64, by: 8) { bytes.append(UInt8(truncatingIfNeeded: word >> shift)) }
    }
    if memory != nil {
      memory?.replaceSubrange(offset..<(offset + bytes.count), with: bytes)
    } else {
      try file?.write(bytes, at: offset)
    }
  }
}
