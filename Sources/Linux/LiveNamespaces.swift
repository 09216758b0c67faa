import Glibc
import NetTypes

/// The network namespaces that a process, one of its threads or open files, or a mount holds.
public struct LiveNamespaces {
  /// A path to each, by its inode.
  private var paths: [UInt: String] = [:]
  /// Whether something could not be looked at, so that there may be others.
  public private(set) var isPartial = false
  /// Mount namespaces whose mounts are known.
  private var seenMounts: Set<String> = []

  /// Looks through every process that this one sees, and the mounts of each.
  public static func survey() -> LiveNamespaces {
    var found = LiveNamespaces()
    for name in found.list("/proc") where name.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
      // The first process is no container; whoever has fewer rights than it cannot look at it.
      if name == "1", isOutOfReach("/proc/1/ns/net") { continue }
      found.addProcess("/proc/\(name)")
    }
    return found
  }

  private static func isOutOfReach(_ path: String) -> Bool {
    do throws(KernelError) { return try Files.linkTarget(path) == nil } catch { return false }  // asked again below
  }

  /// A path by which the namespace with that inode can be opened; `nil` where nothing holds it.
  public func path(ofInode inode: UInt) -> String? { paths[inode] }

  /// `nil` for what has ended meanwhile, which holds nothing, and for what cannot be looked at, which may.
  private mutating func look<Value>(_ body: () throws(KernelError) -> Value) -> Value? {
    do throws(KernelError) { return try body() } catch {
      if !error.errno.isOne(of: .ENOENT, .ESRCH, .EINVAL) { isPartial = true }
      return nil
    }
  }

  private mutating func list(_ directory: String) -> [String] {
    look { () throws(KernelError) in try Files.list(directory) ?? [] } ?? []
  }

  private mutating func target(_ path: String) -> String? {
    look { () throws(KernelError) in try Files.target(ofLink: path) }
  }

  private mutating func add(_ path: String) {
    if let inode = target(path).flatMap(Self.inode) { paths[inode] = path }
  }

  /// A namespace that was opened by its name shows that and not what it is; its inode is in `fdinfo` from Linux 5.14 on.
  private mutating func addFile(_ name: String, of process: String) {
    let path = "\(process)/fd/\(name)"
    guard let target = target(path) else { return }
    if let inode = Self.inode(target) { paths[inode] = path }
    guard target.hasPrefix("/") else { return }
    let text = look { () throws(KernelError) in try Files.read("\(process)/fdinfo/\(name)") }
    for line in String(decoding: text ?? [], as: UTF8.self).split(separator: "\n") where line.hasPrefix("ino:") {
      guard let inode = UInt(line.dropFirst(4).filter(\.isNumber)), paths[inode] == nil else { continue }
      paths[inode] = path
    }
  }

  private mutating func addProcess(_ process: String) {
    add("\(process)/ns/net")
    for name in list("\(process)/task") { add("\(process)/task/\(name)/ns/net") }
    for name in list("\(process)/fd") { addFile(name, of: process) }
    guard let mounts = target("\(process)/ns/mnt"), seenMounts.insert(mounts).inserted else { return }
    let text = look { () throws(KernelError) in try Files.read("\(process)/mountinfo") }
    guard let text else {
      seenMounts.remove(mounts)  // another process may tell
      return
    }
    for line in String(decoding: text, as: UTF8.self).split(separator: "\n") {
      // "… 0:4 net:[4026532281] /run/netns/a rw … - nsfs nsfs rw"
      let words = line.split(separator: " ", maxSplits: 5)
      guard words.count > 4, let inode = Self.inode(String(words[3])), paths[inode] == nil else { continue }
      paths[inode] = "\(process)/root\(words[4])"
    }
  }

  /// The number in `net:[4026532281]`.
  private static func inode(_ text: String) -> UInt? {
    guard text.hasPrefix("net:["), text.hasSuffix("]") else { return nil }
    return UInt(text.dropFirst(5).dropLast())
  }
}
