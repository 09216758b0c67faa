import CLinux
import NetTypes

/// The ELF note that `scripts/build` writes into each executable of the suite: which build it is of, and which program it is.
public struct BuildNote: Equatable, Sendable {
  /// The same for all executables of one build, and different for any other build.
  public var buildID: [UInt8]
  /// The name under which the executable was built.
  public var program: String

  /// The note of this executable; `nil` if `scripts/build` did not write one.
  public static var own: BuildNote? {
    var desc = [UInt8](repeating: 0, count: size)
    unsafe cl_build_note(&desc)
    return BuildNote(desc: desc[...])
  }

  /// The note of the executable at `path`; `nil` if it has none in its first page, or cannot be read.
  public init?(ofExecutable path: String) {
    guard let file = try? Descriptor.open(path, for: .reading), let page = try? file.read(at: 0, count: 4096),
      let desc = ELFFile(page)?.desc(ofNote: "swift-cni")
    else { return nil }
    self.init(desc: desc)
  }

  init?(desc: ArraySlice<UInt8>) {
    guard desc.count == Self.size, desc.contains(where: { $0 != 0 }) else { return nil }
    buildID = Array(desc.prefix(Int(CL_BUILD_ID_SIZE)))
    program = String(decoding: desc.dropFirst(Int(CL_BUILD_ID_SIZE)).prefix { $0 != 0 }, as: UTF8.self)
  }

  private static let size = Int(CL_BUILD_ID_SIZE) + Int(CL_PROGRAM_NAME_SIZE)
}

/// The first bytes of a 64-bit little-endian ELF file (elf(5)).
struct ELFFile {
  private let bytes: [UInt8]

  /// `nil` for other files.
  init?(_ bytes: [UInt8]) {
    let identification: [UInt8] = [0x7F, 0x45, 0x4C, 0x46, 2, 1]
    guard bytes.starts(with: identification) else { return nil }
    self.bytes = bytes
  }

  /// The desc of the first note of that name; `nil` if there is none in these bytes.
  func desc(ofNote name: String) -> ArraySlice<UInt8>? {
    guard let offset = integer(at: 32, size: 8), let size = integer(at: 54, size: 2),
      let count = integer(at: 56, size: 2)
    else { return nil }
    for header in (0..<min(count, 64)).map({ offset + $0 * size })
    where integer(at: header, size: 4) == Self.noteSegment {
      guard let start = integer(at: header + 8, size: 8), let length = integer(at: header + 32, size: 8) else {
        continue
      }
      if let desc = desc(ofNote: Array(name.utf8) + [0], from: start, to: start + length) { return desc }
    }
    return nil
  }

  private func desc(ofNote name: [UInt8], from start: Int, to end: Int) -> ArraySlice<UInt8>? {
    var note = start
    while note < end, let nameSize = integer(at: note, size: 4), let descSize = integer(at: note + 4, size: 4) {
      let nameStart = note + 12, descStart = nameStart + Self.padded(nameSize)
      guard descStart + descSize <= bytes.count else { return nil }
      if bytes[nameStart..<nameStart + nameSize].elementsEqual(name) { return bytes[descStart..<descStart + descSize] }
      note = descStart + Self.padded(descSize)
    }
    return nil
  }

  private static let noteSegment = 4  // PT_NOTE

  private static func padded(_ size: Int) -> Int { (size + 3) & ~3 }

  /// The little-endian integer at `offset`; `nil` beyond the bytes, and for one that no offset in them can be.
  private func integer(at offset: Int, size: Int) -> Int? {
    guard offset >= 0, offset <= bytes.count - size else { return nil }
    let value = bytes[offset..<offset + size].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    return value <= 0xFFFF_FFFF ? Int(value) : nil
  }
}
