import Linux

/// The packet filter's lock, and what is to be said on standard error once it is released.
///
/// A process that waits for the reader of its standard error must not keep others from their rules.
final class HeldLock {
  private var lock: FileLock?
  private var notes: [String] = []

  init(_ lock: consuming FileLock) { self.lock = consume lock }

  func note(_ text: String) { notes.append(text) }

  deinit {
    lock = nil
    for text in notes { HeldLock.write(text) }
  }

  /// A line on standard error.
  static func write(_ text: String) {
    try? Standard.write(Array("\(text)\n".utf8), to: Standard.error)  // the only place for it
  }
}

extension HostFilter {
  /// Writes a line to standard error, once no lock is held.
  func note(_ text: String) {
    if let heldLock { heldLock.note(text) } else { HeldLock.write(text) }
  }
}
