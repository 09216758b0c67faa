import BaseSupport
import Foundation
import Glibc
import Linux
import Testing

@Suite struct LockTests {
  @Test func `a lock ends with its owner even if a forked child has the file open`() throws {
    try inTemporaryDirectory { directory in
      let file = try Descriptor.open("\(directory)/lock", for: .updating)
      let childs = Descriptor(adopting: dup(file.raw))
      let lock = try FileLock(file, seconds: 0, doing: "lock")
      _ = consume lock
      _ = try FileLock(.open("\(directory)/lock"), seconds: 0, doing: "lock again")
      _ = consume childs
    }
  }

  @Test func `waiting for a lock ends even if SIGALRM is blocked`() throws {
    try inTemporaryDirectory { directory in
      let held = try FileLock(.openLock("\(directory)/lock"), seconds: 0, doing: "lock")
      let outcome = WaitOutcome()
      let waiter = Thread {
        var signals = sigset_t()
        unsafe sigemptyset(&signals)
        unsafe sigaddset(&signals, SIGALRM)
        unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
        do { _ = try FileLock(.openLock("\(directory)/lock"), seconds: 1, doing: "lock again") } catch {
          outcome.text = "\(error)"
        }
        var now = sigset_t()
        unsafe pthread_sigmask(SIG_BLOCK, nil, &now)
        outcome.isBlocked = unsafe sigismember(&now, SIGALRM) == 1
        outcome.done.signal()
      }
      waiter.start()
      outcome.done.wait()
      #expect(outcome.text == "lock again: Resource temporarily unavailable")
      #expect(outcome.isBlocked)
      _ = consume held
    }
  }

  final class WaitOutcome: @unchecked Sendable {
    let done = DispatchSemaphore(value: 0)
    var text = ""
    var isBlocked = false
  }

  @Test(arguments: ["mkdir", "link", "fifo", "loop"])
  func `anything in place of a lock file is locked or replaced`(kind: String) throws {
    try inTemporaryDirectory { directory in
      let path = "\(directory)/lock"
      try putOtherFile(kind, at: path)
      let held = try FileLock(.openLock(path), seconds: 0, doing: "lock")
      #expect(throws: (any Error).self) { _ = try FileLock(.openLock(path), seconds: 0, doing: "lock again") }
      #expect(!FileManager.default.fileExists(atPath: "\(path).target"))
      _ = consume held
    }
  }
}

/// Replaces a file by a directory, a symbolic link to `PATH.target`, a FIFO, or a link to itself.
func putOtherFile(_ kind: String, at path: String) throws {
  let files = FileManager.default
  try? files.removeItem(atPath: path)  // often there is no file
  switch kind {
  case "mkdir": try files.createDirectory(atPath: path, withIntermediateDirectories: false)
  case "fifo": #expect(unsafe mkfifo(path, 0o600) == 0)
  case "link": try files.createSymbolicLink(atPath: path, withDestinationPath: "\(path).target")
  default: try files.createSymbolicLink(atPath: path, withDestinationPath: path)
  }
}
