public import Linux
public import NetTypes

/// A small file of lines that others read at any moment, through a mount of the file alone perhaps: `resolv.conf`.
///
/// So it is never renamed and never empty. A write of many bytes may be seen in parts, in whatever order, so whole lines
/// are written as comments, where any mixture of old and new bytes is still a comment, and come alive by their first
/// byte alone. A resolver that reads meanwhile is told what the old text says, the new one or both.
///
/// Not that every line it reads is one of theirs: who reaches the end and reads on after it has moved finds the rest of
/// some line, which begins with no keyword.
public struct LiveText: ~Copyable {
  private let file: Descriptor

  /// The largest file that is taken for one of ours, in bytes.
  static let limit = 64 << 10

  public init(_ file: consuming Descriptor) { self.file = file }

  public borrowing func text() throws(KernelError) -> String {
    String(decoding: try bytes(), as: UTF8.self)
  }

  private borrowing func bytes() throws(KernelError) -> [UInt8] { try file.read(at: 0, count: Self.limit) }

  /// The file's text becomes `text`, lines that each end with a newline.
  ///
  /// May be repeated after it was interrupted anywhere.
  ///
  /// - Throws: ENOSPC among others; readers then find the old text, or lines of both.
  public borrowing func replace(with text: String) throws(KernelError) {
    let old = try bytes()
    let new = Array(text.utf8)
    guard old != new else { return }
    guard !old.isEmpty else { return try writeFirst(new) }
    // Behind the old text there is a place for the new one, far enough that the new one fits before it too.
    let start = max(old.count + (old.last == newline ? 0 : 1), new.count)
    try append(new, from: old, at: start)
    try enliven(new, at: start)
    try deaden(old, at: 0)
    let blank = [UInt8](repeating: hash, count: start - 1) + [newline]
    try file.write(blank, at: 0)
    try file.write(commented(new), at: 0)
    try enliven(new, at: 0)
    try deaden(new, at: start)
    try file.resize(to: new.count)
  }

  private borrowing func writeFirst(_ new: [UInt8]) throws(KernelError) {
    do throws(KernelError) {
      try file.write(new, at: 0)
    } catch {
      try? file.resize(to: 0)  // as it was; the first error is the one to tell
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
      try? file.resize(to: old.count)  // only comments go; the first error is the one to tell
      throw error
    }
  }

  /// Gives every line of `text` its first byte.
  private borrowing func enliven(_ text: [UInt8], at start: Int) throws(KernelError) {
    for line in lineStarts(text) where text[line] != hash { try file.write([text[line]], at: start + line) }
  }

  /// Makes every line of `text` a comment.
  private borrowing func deaden(_ text: [UInt8], at start: Int) throws(KernelError) {
    for line in lineStarts(text) where text[line] != hash { try file.write([hash], at: start + line) }
  }

  private func commented(_ text: [UInt8]) -> [UInt8] {
    var text = text
    for line in lineStarts(text) { text[line] = hash }
    return text
  }

  /// Where lines begin that are not empty.
  private func lineStarts(_ text: [UInt8]) -> [Int] {
    text.indices.filter { ($0 == 0 || text[$0 - 1] == newline) && text[$0] != newline }
  }

  private var newline: UInt8 { UInt8(ascii: "\n") }
  private var hash: UInt8 { UInt8(ascii: "#") }
}
