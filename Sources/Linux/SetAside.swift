import Glibc
public import NetTypes

/// Renames what is not a valid state file, directory or lock to `.NAME.aside`; GC removes it later.
public enum SetAside {
  private static let suffix = ".aside"
  private static let secondsToWait = 30

  /// Whether the name is that of an object that was set aside.
  public static func isAsideName(_ name: String) -> Bool { name.hasPrefix(".") && name.hasSuffix(suffix) }

  /// The new name of the object called `name`.
  public static func name(of name: String) -> String { ".\(name)\(suffix)" }

  /// Renames the object at the path, if there is one; replaces an object that was set aside before.
  public static func move(_ path: String) throws(KernelError) {
    let (directory, name) = parts(path)
    let aside = "\(directory)/\(Self.name(of: name))"
    try Files.removeTree(aside)
    do throws(KernelError) { try Files.move(path, to: aside) } catch {
      guard error.errno == .ENOENT else { throw error }
    }
  }

  /// Makes the path free for a file: removes a link, FIFO, socket or empty directory; sets another directory aside.
  ///
  /// - Returns: whether something was removed or set aside; `false` if there is a regular file or nothing.
  public static func makeRoom(at path: String) throws(KernelError) -> Bool {
    guard try isObstacle(path) else { return false }
    // With two processes at the same time, the second must not remove the file that the first has created.
    let lock = try lock(above: path)
    defer { _ = lock }
    guard try isObstacle(path) else { return true }
    if try !Files.clear(path) { try move(path) }
    return true
  }

  /// Creates a directory and its parents; sets anything else at the path aside, also a link to a directory.
  public static func makeDirectory(_ path: String, mode: UInt32 = 0o755) throws(KernelError) {
    try Files.makeDirectories(path, mode: mode)
    guard try !Files.isDirectory(path) else { return }
    let lock = try lock(above: path)
    defer { _ = lock }
    guard try !Files.isDirectory(path) else { return }
    try move(path)
    try Files.makeDirectories(path, mode: mode)
  }

  /// Removes the objects that were set aside in a directory.
  public static func clean(_ directory: String) throws(KernelError) {
    guard try Files.isDirectory(directory) else { return }
    for name in try Files.list(directory) ?? [] where isAsideName(name) { try Files.removeTree("\(directory)/\(name)") }
  }

  private static func isObstacle(_ path: String) throws(KernelError) -> Bool {
    guard let status = try Files.statusOfLink(path) else { return false }
    return !status.isRegular
  }

  private static func lock(above path: String) throws(KernelError) -> FileLock {
    let directory = parts(path).directory
    return try FileLock(try Descriptor.open(directory), seconds: secondsToWait, doing: "lock \(directory)")
  }

  private static func parts(_ path: String) -> (directory: String, name: String) {
    guard let slash = path.lastIndex(of: "/") else { return (".", path) }
    return (String(path[..<slash]), String(path[path.index(after: slash)...]))
  }
}
