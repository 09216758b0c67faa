public import CNI
import NetTypes

/// The bytes of a hosts file: finds lines, and computes the writes that add or remove lines.
///
/// A line is removed by a `#` over its first byte and a carriage return over its tab. The carriage return is white
/// space for a reader that has already read the old first byte, and it marks our removed ("dead") lines, so that they
/// differ from comments that a person wrote.
public struct HostsText: Sendable {
  /// A reader may see a write page by page, so no line crosses a page boundary.
  public static let pageSize = 4096
  static let newline = UInt8(ascii: "\n")
  static let space = UInt8(ascii: " ")
  public static let removedLineMark = UInt8(ascii: "#")
  public static let removedLineSeparator = UInt8(ascii: "\r")

  public let bytes: [UInt8]

  public init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// The bytes to write at `offset`, the end of the file, to add `lines`, with line ends.
  ///
  /// `isLineOpen` means that the file's last line has no line end yet.
  public static func appended(_ lines: [String], at offset: Int, isLineOpen: Bool = false) -> [UInt8] {
    var bytes: [UInt8] = isLineOpen ? [newline] : []
    for line in lines {
      let room = pageSize - (offset + bytes.count) % pageSize
      if line.utf8.count + 1 > room { bytes += [UInt8](repeating: newline, count: room) }
      bytes += line.utf8
      bytes.append(newline)
    }
    return bytes
  }

  /// The offset of each of `lines`; a line that is listed twice is searched for twice.
  ///
  /// - Returns: the offsets in ascending order, and the lines that are missing.
  public func search(for lines: [String]) -> (found: [Int], missing: [String]) {
    var wanted: [UInt64: [String]] = [:]
    for line in lines { wanted[FNV1a(line).value, default: []].append(line) }
    var found: [Int] = []
    var left = lines.count
    eachLine { range, hash in
      guard let same = wanted[hash], let index = same.firstIndex(where: { bytes[range].elementsEqual($0.utf8) }) else {
        return true
      }
      wanted[hash]?.remove(at: index)
      found.append(range.lowerBound)
      left -= 1
      return left > 0
    }
    return (found, wanted.values.flatMap { $0 }.sorted())
  }

  /// Calls `body` for each complete line and its hash, trailing spaces ignored, until it returns `false`.
  private func eachLine(_ body: (Range<Int>, UInt64) -> Bool) {
    let all = bytes.span
    var start = 0
    var end = 0  // the offset after the last byte that is no space
    var hash = FNV1a()
    var hashAtEnd = hash.value
    for index in all.indices {
      let byte = all[index]
      if byte == Self.newline {
        if end > start, !body(start..<end, hashAtEnd) { return }
        (start, end, hash) = (index + 1, index + 1, FNV1a())
      } else {
        hash.add(byte)
        if byte != Self.space { (end, hashAtEnd) = (index + 1, hash.value) }
      }
    }
  }
}

// MARK: dead lines

extension HostsText {
  /// The writes that make the lines at these offsets dead.
  ///
  /// Adjacent lines are one write. In it only the first byte and the tab of each line differ from the file, so a
  /// reader that sees any mixture of old and new bytes finds the line or a comment.
  ///
  /// The offsets are ascending, each the start of a complete line.
  public func removalWrites(at offsets: [Int]) -> [(offset: Int, bytes: [UInt8])] {
    var writes: [(offset: Int, bytes: [UInt8])] = []
    var end = -1  // the offset after the previous line's newline
    for offset in offsets {
      guard let newline = bytes[offset...].firstIndex(of: Self.newline) else { continue }
      var line = Array(bytes[offset...newline])
      line[0] = Self.removedLineMark
      if let tab = line.firstIndex(of: UInt8(ascii: "\t")) { line[tab] = Self.removedLineSeparator }
      if offset == end, let last = writes.indices.last {
        writes[last].bytes += line
      } else {
        writes.append((offset, line))
      }
      end = newline + 1
    }
    return writes
  }

  /// The ranges of the dead lines, without line ends.
  var removedLines: [Range<Int>] {
    var dead: [Range<Int>] = []
    var start = 0
    for index in bytes.indices where bytes[index] == Self.newline {
      let line = bytes[start..<index]
      let tab = UInt8(ascii: "\t")
      if line.first == Self.removedLineMark, line.contains(Self.removedLineSeparator),
        line.last != Self.removedLineSeparator,
        !line.contains(tab)
      {
        dead.append(start..<index)
      }
      start = index + 1
    }
    return dead
  }

  /// Overwrites dead lines with new ones, if more than half of the file is dead lines.
  ///
  /// - Returns: the writes, each as long as the line that it replaces, and the lines that fit nowhere.
  public func reuseWrites(for lines: [String]) -> (writes: [(offset: Int, bytes: [UInt8])], rest: [String]) {
    var dead = removedLines
    guard dead.reduce(0, { $0 + $1.count + 1 }) * 2 > bytes.count else { return ([], lines) }
    var writes: [(offset: Int, bytes: [UInt8])] = []
    var rest: [String] = []
    for line in lines {
      guard let index = dead.firstIndex(where: { $0.count >= line.utf8.count }) else {
        rest.append(line)
        continue
      }
      let range = dead.remove(at: index)
      writes.append(
        (range.lowerBound, line.utf8 + [UInt8](repeating: Self.space, count: range.count - line.utf8.count)))
    }
    return (writes, rest)
  }
}

extension HostsText {
  /// Whether the text begins like a file that we create for the container: own lines, then the standard ones.
  public func isOurs(of container: ContainerID) -> Bool {
    guard let short = OwnLines.shortName(container) else { return false }
    let own = lines.prefix { $0.hasSuffix("\t\(short)") || $0.hasSuffix(" \(short)") }
    return !own.isEmpty && Array(lines.dropFirst(own.count).prefix(OwnLines.standard.count)) == OwnLines.standard
  }

  /// The lines in our form (address, tab, names), without the standard ones and `others`, each as often as listed.
  public func generatedLines(except others: [String]) -> [String] {
    var left: [String: Int] = [:]
    for line in others + OwnLines.standard { left[line, default: 0] += 1 }
    return lines.filter { line in
      guard left[line, default: 0] == 0 else {
        left[line, default: 0] -= 1
        return false
      }
      return Self.isHostsLine(line)
    }
  }

  /// Whether the line is an address, a tab and names.
  private static func isHostsLine(_ line: String) -> Bool {
    let parts = line.split(separator: "\t", omittingEmptySubsequences: false)
    guard parts.count == 2, IPAddress(String(parts[0])) != nil else { return false }
    return parts[1].split(separator: " ").allSatisfy { HostName(String($0)) != nil }
  }

  /// Every complete line, without trailing spaces.
  private var lines: [String] {
    bytes.split(separator: Self.newline).map { line in
      var line = line
      while line.last == Self.space { line.removeLast() }
      return String(decoding: line, as: UTF8.self)
    }
  }
}
