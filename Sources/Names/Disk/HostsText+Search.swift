import Linux

extension HostsText {
  /// Up to this many lines are searched for one by one, which is faster than scanning every line of the file.
  private static let fewLines = 16

  /// The offset of each of `lines`, in the same way as `search(for:)`.
  func offsets(of lines: [String]) -> [Int] {
    guard lines.count <= Self.fewLines else { return search(for: lines).found }
    var counts: [String: Int] = [:]
    for line in lines { counts[line, default: 0] += 1 }
    return counts.flatMap { line, count in offsets(of: Array(line.utf8), atMost: count) }.sorted()
  }

  private func offsets(of line: [UInt8], atMost count: Int) -> [Int] {
    var offsets: [Int] = []
    var start = 0
    while offsets.count < count, let offset = bytes.offset(of: line, from: start) {
      if isLine(from: offset, to: offset + line.count) { offsets.append(offset) }
      start = offset + 1
    }
    return offsets
  }

  /// Whether a whole line begins at `start` and ends at `end`, trailing spaces ignored.
  private func isLine(from start: Int, to end: Int) -> Bool {
    let newline = UInt8(ascii: "\n"), space = UInt8(ascii: " ")
    guard end > start, start == 0 || bytes[start - 1] == newline else { return false }
    return bytes[end...].first { $0 != space } == newline
  }
}
