import Glibc
public import NetTypes

/// A lock that every ADD shares and garbage collection takes exclusively: a half-made attachment looks like garbage.
public enum AttachGate {
  private static let directory = "/run/swift-cni"
  private static let path = "\(directory)/attach.lock"

  /// Waits where the gate is closed; from then on it stays open until this process ends.
  ///
  /// No-op if the lock file cannot be made (read-only `/run`): garbage collection cannot take the lock either.
  ///
  /// - Throws: EAGAIN where it stays closed.
  public static func pass(seconds: Int = 60) throws(KernelError) {
    guard let file = try? openFile() else { return }
    try FileLock(file, exclusively: false, seconds: seconds, doing: "wait for what removes stale attachments").keep()
  }

  /// Closes the gate once every ADD that has passed it is over; it opens with the end of the lock.
  ///
  /// - Throws: EAGAIN where one goes on for longer.
  public static func close(seconds: Int = 30) throws(KernelError) -> FileLock {
    try FileLock(openFile(), seconds: seconds, doing: "wait for the end of all ADDs")
  }

  private static func openFile() throws(KernelError) -> Descriptor {
    do throws(KernelError) {
      return try Descriptor.openLock(path)
    } catch  where error.errno == .ENOENT {
      try Files.makeDirectories(directory, mode: 0o700)
      return try Descriptor.openLock(path)
    }
  }
}
