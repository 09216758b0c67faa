import Glibc
public import NetTypes

/// A lock that every ADD shares and GC takes exclusively: an incomplete attachment looks like garbage.
public enum AttachGate {
  /// Takes the lock shared, for the rest of the process; waits while GC has it.
  ///
  /// No-op if the lock file cannot be created (read-only `/run`): GC cannot take the lock then either.
  ///
  /// - Throws: EAGAIN if GC holds the lock for longer.
  public static func pass(seconds: Int = 60) throws(KernelError) {
    guard let file = try? openFile() else { return }
    try FileLock(file, exclusively: false, seconds: seconds, doing: "wait for the garbage collection of attachments")
      .holdUntilExit()
  }

  /// Takes the lock exclusively, after every running ADD has ended; it is released with the returned value.
  ///
  /// - Throws: EAGAIN if an ADD runs for longer.
  public static func close(seconds: Int = 30) throws(KernelError) -> FileLock {
    try FileLock(openFile(), seconds: seconds, doing: "wait until all running ADDs have ended")
  }

  private static func openFile() throws(KernelError) -> Descriptor {
    do throws(KernelError) {
      return try Descriptor.openLock(StatePaths.attachLock)
    } catch  where error.errno == .ENOENT {
      try Files.makeDirectories(StatePaths.run, mode: 0o700)
      return try Descriptor.openLock(StatePaths.attachLock)
    }
  }
}
