import Glibc
public import NetTypes

/// What stands in the place of a state file, directory or lock, and is none: it gets the name `.NAME.aside`, which GC removes.
public enum SetAside {
  private static let suffix = ".aside"
  private static let secondsToWait = 30

  /// Whether something that was set aside has that name.
  public static func isOne(_ name: String) -> Bool { name.hasPrefix(".") && name.hasSuffix(suffix) }

  /// The name that what is called `name` gets.
  public static func name(of name: String) -> String { ".\(name)\(suffix)" }

  /// Renames whatever is at the path, in the place of what was set aside before; nothing happens where there is nothing.
  public static func move(_ path: String) throws(KernelError) {
    let (directory, name) = parts(path)
    let aside = "\(directory)/\(Self.name(of: name))"
    try Files.removeTree(aside)
    do throws(KernelError) { try Files.move(path, to: aside) } catch {
      guard error.errno == .ENOENT else { throw error }
    }
  }

  /// Makes the path free for a file: links, FIFOs, sockets and empty directories are removed, other directories set aside.
  ///
  /// - Returns: whether something was moved or removed; not where there is a regular file or nothing.
  public static func makeRoom(at path: String) throws(KernelError) -> Bool {
    guard try isObstacle(path) else { return false }
    // Of two processes at once the second must not take the file that the first one has made since.
    let lock = try lock(above: path)
    defer { _ = lock }
    guard try isObstacle(path) else { return true }
    if try !Files.clear(path) { try move(path) }
    return true
  }

  /// Makes a directory, and those above it; anything else in its place is set aside, a link to a directory too.
  public static func makeDirectory(_ path: String, mode: UInt32 = 0o755) throws(KernelError) {
    try Files.makeDirectories(path, mode: mode)
    guard try !Files.isDirectory(path) else { return }
    let lock = try lock(above: path)
    defer { _ = lock }
    guard try !Files.isDirectory(path) else { return }
    try move(path)
    try Files.makeDirectories(path, mode: mode)
  }

  /// Removes what was set aside in a directory.
  public static func clean(_ directory: String) throws(KernelError) {
    guard try Files.isDirectory(directory) else { return }
    for name in try Files.list(directory) ?? [] where isOne(name) { try Files.removeTree("\(directory)/\(name)") }
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
