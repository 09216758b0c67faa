import CLinux
import Glibc
public import NetTypes

/// Network namespaces with a name: files that hold them, as `ip netns` keeps them.
public enum NamedNamespaces {
  public static let directory = "/run/netns"

  /// Makes a new network namespace and gives it a name, which must be a file name.
  ///
  /// - Throws: EEXIST where the name is taken.
  public static func add(_ name: String) throws(KernelError) {
    let path = "\(directory)/\(name)"
    try Files.makeDirectories(directory)
    // Two that share the directory at once would mount it twice; ip netns takes the same lock.
    let lock = try FileLock(.open(directory), seconds: 10, doing: "lock \(directory)")
    try shareDirectory()
    _ = try Descriptor.open(path, for: .creating, mode: 0o444)
    do throws(KernelError) {
      try holdNew(at: path)
    } catch {
      try? Files.remove(path)  // the first error is the one to tell
      throw error
    }
    _ = consume lock  // held until here
  }

  /// Takes the name away; the namespace ends with its last process.
  ///
  /// Nothing happens where there is no such name.
  public static func remove(_ name: String) throws(KernelError) {
    let path = "\(directory)/\(name)"
    guard Files.exists(path) else { return }
    do throws(KernelError) {
      _ = try call("unmount \(path)") { unsafe cl_detach_mount(path) }
    } catch  where error.errno == .EINVAL {}  // a plain file: its mount is gone already
    try Files.remove(path)
  }

  /// The names, sorted.
  public static func names() throws(KernelError) -> [String] { (try Files.list(directory) ?? []).sorted() }

  /// Runs a program in the namespace behind `path`, in the place of this process.
  ///
  /// The first of `words` is the program, searched in PATH.
  ///
  /// - Throws: what kept it from starting; else it does not return.
  public static func become(_ words: [String], in path: String) throws(KernelError) -> Never {
    let namespace = try Namespace.open(path)
    _ = try call("enter \(path)") { cl_setns_net(namespace.raw) }
    let arguments = unsafe words.map { unsafe strdup($0) } + [nil]
    unsafe execvp(words.first ?? "", arguments)
    throw KernelError(errno: .last, doing: "run \(words.first ?? "")")
  }

  /// So that a name given in one mount namespace can be used, and taken away, in all.
  private static func shareDirectory() throws(KernelError) {
    if unsafe cl_share_mounts(directory) == 0 { return }
    _ = try call("mount \(directory)") { unsafe cl_bind_mount(directory, directory) }
    _ = try call("share \(directory)") { unsafe cl_share_mounts(directory) }
  }

  private static func holdNew(at path: String) throws(KernelError) {
    let new = try Namespace.new()
    _ = try call("mount \(path)") { unsafe cl_bind_mount("/proc/thread-self/fd/\(new.raw)", path) }
  }
}
