import Kernel
import Linux

/// What stood at the path of a state file or lock and is no regular file.
///
/// Links, FIFOs, sockets and empty directories are removed. A directory with something in it gets the name
/// `.NAME.aside`, which GC removes.
enum SetAside {
  private static let suffix = ".aside"
  private static let secondsToWait = 30

  private static func parts(_ path: String) -> (directory: String, name: String) {
    guard let slash = path.lastIndex(of: "/") else { return (".", path) }
    return (String(path[..<slash]), String(path[path.index(after: slash)...]))
  }

  /// - Returns: whether something was moved or removed; not where there is a regular file or nothing.
  static func makeRoom(at path: String) throws(KernelError) -> Bool {
    guard try isObstacle(path) else { return false }
    let (directory, name) = parts(path)
    // Of two processes at once the second must not take the file that the first one has made since.
    let lock = try FileLock(
      try Descriptor.open(directory), seconds: secondsToWait, doing: "lock \(directory)")
    defer { _ = lock }
    guard try isObstacle(path) else { return true }
    guard try Files.statusOfLink(path)?.isDirectory == true else {
      try Files.remove(path)
      return true
    }
    try Files.removeEmptyDirectory(path)
    guard try isObstacle(path) else { return true }
    try Files.move(path, to: "\(directory)/\(try freeName(name, in: directory))")
    return true
  }

  /// Makes a directory of the state; anything else in its place is set aside.
  static func makeDirectory(_ path: String) throws(KernelError) {
    try Files.makeDirectories(path)
    guard try !isDirectory(path) else { return }
    let (directory, name) = parts(path)
    let lock = try FileLock(
      try Descriptor.open(directory), seconds: secondsToWait, doing: "lock \(directory)")
    defer { _ = lock }
    guard try !isDirectory(path) else { return }
    try Files.move(path, to: "\(directory)/\(try freeName(name, in: directory))")
    try Files.makeDirectories(path)
  }

  private static func isDirectory(_ path: String) throws(KernelError) -> Bool {
    try Files.status(path)?.isDirectory == true
  }

  private static func isObstacle(_ path: String) throws(KernelError) -> Bool {
    guard let status = try Files.statusOfLink(path) else { return false }
    return !status.isRegular
  }

  private static func freeName(_ name: String, in directory: String) throws(KernelError) -> String {
    let taken = Set(try Files.list(directory) ?? [])
    var number = 0
    while taken.contains(asideName(name, number)) { number += 1 }
    return asideName(name, number)
  }

  private static func asideName(_ name: String, _ number: Int) -> String {
    ".\(name)\(number == 0 ? "" : ".\(number)")\(suffix)"
  }

  /// Removes what was set aside in a directory.
  static func clean(_ directory: String) throws(KernelError) {
    guard try Files.statusOfLink(directory)?.isDirectory == true else { return }
    for name in try Files.list(directory) ?? [] where name.hasPrefix(".") && name.hasSuffix(suffix) {
      try Files.removeTree("\(directory)/\(name)")
    }
  }
}
