import Glibc
import NetTypes

/// The network namespaces that are in use by a process, a thread, an open file or a mount.
public struct LiveNamespaces {
  /// A path to each namespace, by its inode number.
  private var paths: [UInt: String] = [:]
  /// Whether something could not be read, so that there may be more namespaces.
  public private(set) var isPartial = false
  /// The mount namespaces whose mounts are already read.
  private var seenMounts: Set<String> = []

  /// Reads all processes that are visible to this one, and the mounts of each.
  public static func survey() -> LiveNamespaces {
    var found = LiveNamespaces()
    for name in found.list("/proc") where name.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
      // Process 1 is not a container; a process with fewer privileges cannot read its namespace.
      if name == "1", isOutOfReach("/proc/1/ns/net") { continue }
      found.addProcess("/proc/\(name)")
    }
    return found
  }

  private static func isOutOfReach(_ path: String) -> Bool {
    do throws(KernelError) { return try Files.linkTarget(path) == nil } catch { return false }  // checked again below
  }

  /// A path to open the namespace with that inode number; `nil` if it is not in use.
  public func path(ofInode inode: UInt) -> String? { paths[inode] }

  /// `nil` if the object has ended in the meantime, or cannot be read; the second case sets `isPartial`.
  private mutating func nilIfGone<Value>(_ body: () throws(KernelError) -> Value) -> Value? {
    do throws(KernelError) { return try body() } catch {
      if !error.errno.isOne(of: .ENOENT, .ESRCH, .EINVAL) { isPartial = true }
      return nil
    }
  }

  private mutating func list(_ directory: String) -> [String] {
    nilIfGone { () throws(KernelError) in try Files.list(directory) ?? [] } ?? []
  }

  private mutating func target(_ path: String) -> String? {
    nilIfGone { () throws(KernelError) in try Files.target(ofLink: path) }
  }

  private mutating func add(_ path: String) {
    if let inode = target(path).flatMap(Self.inode) { paths[inode] = path }
  }

  /// Adds an open file's namespace.
  ///
  /// If the namespace was opened by its name, the link in `fd` shows that name; Linux >= 5.14 shows its inode in
  /// `fdinfo`.
  private mutating func addFile(_ name: String, of process: String) {
    let path = "\(process)/fd/\(name)"
    guard let target = target(path) else { return }
    if let inode = Self.inode(target) { paths[inode] = path }
    guard target.hasPrefix("/") else { return }
    let text = nilIfGone { () throws(KernelError) in try Files.read("\(process)/fdinfo/\(name)") }
    for line in String(decoding: text ?? [], as: UTF8.self).split(separator: "\n") where line.hasPrefix("ino:") {
      guard let inode = UInt(line.dropFirst(4).filter { $0.isNumber }), paths[inode] == nil else { continue }
      paths[inode] = path
    }
  }

  private mutating func addProcess(_ process: String) {
    add("\(process)/ns/net")
    for name in list("\(process)/task") { add("\(process)/task/\(name)/ns/net") }
    for name in list("\(process)/fd") { addFile(name, of: process) }
    guard let mounts = target("\(process)/ns/mnt"), seenMounts.insert(mounts).inserted else { return }
    let text = nilIfGone { () throws(KernelError) in try Files.read("\(process)/mountinfo") }
    guard let text else {
      seenMounts.remove(mounts)  // another process may make them readable
      return
    }
    for line in String(decoding: text, as: UTF8.self).split(separator: "\n") {
      // "… 0:4 net:[4026532281] /run/netns/a rw … - nsfs nsfs rw"
      let words = line.split(separator: " ", maxSplits: 5)
      guard words.count > 4, let inode = Self.inode(String(words[3])), paths[inode] == nil else { continue }
      paths[inode] = "\(process)/root\(words[4])"
    }
  }

  /// The inode number in `net:[4026532281]`.
  private static func inode(_ text: String) -> UInt? {
    guard text.hasPrefix("net:["), text.hasSuffix("]") else { return nil }
    return UInt(text.dropFirst(5).dropLast())
  }
}
