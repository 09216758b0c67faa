/// A hosts file's bytes: which lines are there, and where others go.
///
/// A line that is removed gets a `#` over its first byte, then a carriage return in the place of its tab. That is white
/// space to whoever has read the old first byte, and tells our dead lines from what a person commented out.
public struct HostsText: Sendable {
  /// A reader may see a write page by page, so that no line lies in two of them.
  public static let pageSize = 4096
  static let newline = UInt8(ascii: "\n")
  static let space = UInt8(ascii: " ")
  public static let deadMark = UInt8(ascii: "#")
  public static let deadSeparator = UInt8(ascii: "\r")

  public let bytes: [UInt8]

  public init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// The bytes that add `lines` to a file that ends at `offset`, with line ends.
  ///
  /// `isLineOpen` tells that the file's last line has no end yet.
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

  /// Where each of `lines` begins; as often as a line is listed, that often it is looked for.
  ///
  /// - Returns: the offsets, rising, and the lines that are not there.
  public func places(of lines: [String]) -> (found: [Int], missing: [String]) {
    var wanted: [UInt64: [String]] = [:]
    for line in lines { wanted[Self.hash(line), default: []].append(line) }
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
    return (found, wanted.values.flatMap(\.self).sorted())
  }

  /// FNV-1a.
  private static let hashStart: UInt64 = 0xCBF2_9CE4_8422_2325
  private static let hashFactor: UInt64 = 0x100_0000_01B3

  private static func hash(_ line: String) -> UInt64 {
    line.utf8.reduce(hashStart) { ($0 ^ UInt64($1)) &* hashFactor }
  }

  /// Tells `body` each line that has an end, spaces at its end left out, until it answers no.
  private func eachLine(_ body: (Range<Int>, UInt64) -> Bool) {
    let all = bytes.span
    var start = 0
    var end = 0  // behind the last byte that is no space
    var hash = Self.hashStart
    var hashAtEnd = hash
    for index in all.indices {
      let byte = all[index]
      if byte == Self.newline {
        if end > start, !body(start..<end, hashAtEnd) { return }
        (start, end, hash, hashAtEnd) = (index + 1, index + 1, Self.hashStart, Self.hashStart)
      } else {
        hash = (hash ^ UInt64(byte)) &* Self.hashFactor
        if byte != Self.space { (end, hashAtEnd) = (index + 1, hash) }
      }
    }
  }
}

// MARK: dead lines

extension HostsText {
  /// What to write so that the lines at these offsets become dead ones.
  ///
  /// Lines that follow each other are one write. Of all its bytes only the first one of each line and its tab differ from
  /// what is there, so that a reader who sees any mixture of both finds the line or a comment.
  ///
  /// The offsets are rising, each where a line begins that has an end.
  public func killing(at offsets: [Int]) -> [(offset: Int, bytes: [UInt8])] {
    var writes: [(offset: Int, bytes: [UInt8])] = []
    var end = -1  // behind the newline of the line before
    for offset in offsets {
      guard let newline = bytes[offset...].firstIndex(of: Self.newline) else { continue }
      var line = Array(bytes[offset...newline])
      line[0] = Self.deadMark
      if let tab = line.firstIndex(of: UInt8(ascii: "\t")) { line[tab] = Self.deadSeparator }
      if offset == end, let last = writes.indices.last {
        writes[last].bytes += line
      } else {
        writes.append((offset, line))
      }
      end = newline + 1
    }
    return writes
  }

  /// Where the lines are that we removed, without their ends.
  var deadLines: [Range<Int>] {
    var dead: [Range<Int>] = []
    var start = 0
    for index in bytes.indices where bytes[index] == Self.newline {
      let line = bytes[start..<index]
      let tab = UInt8(ascii: "\t")
      if line.first == Self.deadMark, line.contains(Self.deadSeparator), line.last != Self.deadSeparator,
        !line.contains(tab)
      {
        dead.append(start..<index)
      }
      start = index + 1
    }
    return dead
  }

  /// Puts lines in the place of dead ones, if more than half of the file is dead.
  ///
  /// - Returns: what to write and where, each the size of what it replaces; the lines that found no place.
  public func reusing(for lines: [String]) -> (writes: [(offset: Int, bytes: [UInt8])], rest: [String]) {
    var dead = deadLines
    guard dead.reduce(0, { $0 + $1.count + 1 }) * 2 > bytes.count else { return ([], lines) }
    var writes: [(offset: Int, bytes: [UInt8])] = []
    var rest: [String] = []
    for line in lines {
      guard let index = dead.firstIndex(where: { $0.count >= line.utf8.count }) else {
        rest.append(line)
        continue
      }
      let place = dead.remove(at: index)
      writes.append(
        (place.lowerBound, line.utf8 + [UInt8](repeating: Self.space, count: place.count - line.utf8.count)))
    }
    return (writes, rest)
  }
}
