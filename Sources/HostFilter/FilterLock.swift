import Linux

/// The packet filter's lock, and the lines to write to standard error after its release.
///
/// While the process waits for the reader of its standard error, it must not hold the lock.
final class FilterLock {
  private var lock: FileLock?
  private var notes: [String] = []

  init(_ lock: consuming FileLock) { self.lock = consume lock }

  func note(_ text: String) { notes.append(text) }

  deinit {
    lock = nil
    for text in notes { FilterLock.write(text) }
  }

  /// Writes a line to standard error.
  static func write(_ text: String) {
    try? StandardStreams.write(Array("\(text)\n".utf8), to: StandardStreams.error)  // nowhere else to report it
  }
}

extension HostFilter {
  /// Writes a line to standard error, after the release of the lock if it is held.
  func note(_ text: String) {
    if let filterLock { filterLock.note(text) } else { FilterLock.write(text) }
  }
}
