import CLinux
import Glibc
public import NetTypes

/// Named network namespaces: files that hold them, as `ip netns` has them.
public enum NamedNamespaces {
  private static let directory = StatePaths.namespaces

  /// Creates a network namespace with a name, which must be valid as a file name; equals `ip netns add NAME`.
  ///
  /// - Throws: EEXIST if the name is taken.
  public static func add(_ name: String) throws(KernelError) {
    let path = "\(directory)/\(name)"
    try Files.makeDirectories(directory)
    // Two processes at the same time would mount the directory twice; `ip netns` takes the same lock.
    let lock = try FileLock(.open(directory), seconds: 10, doing: "lock \(directory)")
    try shareDirectory()
    _ = try Descriptor.open(path, for: .creating, mode: 0o444)
    do throws(KernelError) {
      try mountNewNamespace(at: path)
    } catch {
      try? Files.remove(path)  // report the first error
      throw error
    }
    _ = consume lock  // held until here
  }

  /// Removes the name; equals `ip netns delete NAME`.
  ///
  /// The namespace ends with its last process. No-op if there is no such name.
  public static func remove(_ name: String) throws(KernelError) {
    let path = "\(directory)/\(name)"
    guard Files.exists(path) else { return }
    do throws(KernelError) {
      _ = try call("unmount \(path)") { unsafe cl_detach_mount(path) }
    } catch  where error.errno == .EINVAL {}  // a plain file, which is no longer a mount point
    try Files.remove(path)
  }

  /// The names, sorted.
  public static func names() throws(KernelError) -> [String] { (try Files.list(directory) ?? []).sorted() }

  /// Replaces this process by a program that runs in the namespace at `path`, as `ip netns exec` does.
  ///
  /// The first of `words` is the program, which is searched in PATH.
  ///
  /// - Throws: the error that kept it from starting; if it starts, the function does not return.
  public static func exec(_ words: [String], in path: String) throws(KernelError) -> Never {
    let namespace = try Namespace.open(path)
    _ = try call("enter \(path)") { cl_setns_net(namespace.raw) }
    let arguments = unsafe words.map { unsafe strdup($0) } + [nil]
    unsafe execvp(words.first ?? "", arguments)
    throw KernelError(errno: .last, doing: "run \(words.first ?? "")")
  }

  /// Makes the directory a shared mount, so that names added or removed in one mount namespace appear in all.
  private static func shareDirectory() throws(KernelError) {
    if unsafe cl_share_mounts(directory) == 0 { return }
    _ = try call("mount \(directory)") { unsafe cl_bind_mount(directory, directory) }
    _ = try call("share \(directory)") { unsafe cl_share_mounts(directory) }
  }

  private static func mountNewNamespace(at path: String) throws(KernelError) {
    let new = try Namespace.new()
    _ = try call("mount \(path)") { unsafe cl_bind_mount("/proc/thread-self/fd/\(new.raw)", path) }
  }
}
