public import Linux
public import NetTypes

/// A small file, such as `resolv.conf`, that processes may read at any moment, perhaps through a bind mount.
///
/// It is never renamed (a bind mount would keep the old inode) and never empty. A reader may see a long write in
/// parts, in any order. So new lines are first written as comments, because any mixture of old and new bytes is still
/// a comment; then one write of its first byte makes each line valid. A resolver that reads meanwhile gets the old
/// text, the new text or both.
/// A reader at the old end of the file may then read the tail of a line that moved; resolvers ignore it, because it
/// begins with no keyword.
public struct InPlaceTextFile: ~Copyable {
  private let file: Descriptor

  /// The largest file that can be ours, in bytes.
  static let limit = 64 << 10

  public init(_ file: consuming Descriptor) { self.file = file }

  public borrowing func text() throws(KernelError) -> String {
    String(decoding: try bytes(), as: UTF8.self)
  }

  private borrowing func bytes() throws(KernelError) -> [UInt8] { try file.read(at: 0, count: Self.limit) }

  /// Replaces the file's text with `text`, whose lines each end with a newline.
  ///
  /// It can be repeated after an interruption at any point.
  ///
  /// - Throws: for example ENOSPC; readers then get the old text, or lines of both.
  public borrowing func replace(with text: String) throws(KernelError) {
    let old = try bytes()
    let new = Array(text.utf8)
    guard old != new else { return }
    guard !old.isEmpty else { return try writeFirst(new) }
    // The new text first goes behind the old one, far enough that a second copy fits in front of it.
    let start = max(old.count + (old.last == newline ? 0 : 1), new.count)
    try append(new, from: old, at: start)
    try uncomment(new, at: start)
    try commentOut(old, at: 0)
    let blank = [UInt8](repeating: hash, count: start - 1) + [newline]
    try file.write(blank, at: 0)
    try file.write(commented(new), at: 0)
    try uncomment(new, at: 0)
    try commentOut(new, at: start)
    try file.resize(to: new.count)
  }

  private borrowing func writeFirst(_ new: [UInt8]) throws(KernelError) {
    do throws(KernelError) {
      try file.write(new, at: 0)
    } catch {
      try? file.resize(to: 0)  // as it was; the first error is the one to report
      throw error
    }
  }

  private borrowing func append(_ new: [UInt8], from old: [UInt8], at start: Int) throws(KernelError) {
    var gap = [UInt8](repeating: hash, count: start - old.count)
    if old.last != newline { gap[0] = newline }
    if let last = gap.indices.last { gap[last] = newline }
    do throws(KernelError) {
      try file.write(gap + commented(new), at: old.count)
    } catch {
      try? file.resize(to: old.count)  // removes only comments; the first error is the one to report
      throw error
    }
  }

  /// Writes the first byte of every line of `text`, which makes the line valid.
  private borrowing func uncomment(_ text: [UInt8], at start: Int) throws(KernelError) {
    for line in lineStarts(text) where text[line] != hash { try file.write([text[line]], at: start + line) }
  }

  /// Overwrites the first byte of every line of `text` with `#`.
  private borrowing func commentOut(_ text: [UInt8], at start: Int) throws(KernelError) {
    for line in lineStarts(text) where text[line] != hash { try file.write([hash], at: start + line) }
  }

  private func commented(_ text: [UInt8]) -> [UInt8] {
    var text = text
    for line in lineStarts(text) { text[line] = hash }
    return text
  }

  /// The offsets of all lines that are not empty.
  private func lineStarts(_ text: [UInt8]) -> [Int] {
    text.indices.filter { ($0 == 0 || text[$0 - 1] == newline) && text[$0] != newline }
  }

  private var newline: UInt8 { UInt8(ascii: "\n") }
  private var hash: UInt8 { UInt8(ascii: "#") }
}
