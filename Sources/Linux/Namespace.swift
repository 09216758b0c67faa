import CLinux
import Glibc
public import NetTypes

/// A network namespace that is held open.
public struct Namespace: ~Copyable {
  let descriptor: Descriptor
  public var raw: Int32 { descriptor.raw }

  /// Opens the namespace at `path`.
  ///
  /// - Throws: EINVAL if the file is not a network namespace.
  public static func open(_ path: String) throws(KernelError) -> Namespace {
    // O_NONBLOCK: a FIFO in place of a namespace is refused, without waiting for its other end.
    let descriptor = try Descriptor.open(path, flags: O_RDONLY | O_NONBLOCK, mode: 0)
    let answer = try call("check the type of \(path)") { cl_is_net_namespace(descriptor.raw) }
    guard answer == 1 else {
      throw KernelError("open network namespace \(path)", errno: .EINVAL, reason: "not a network namespace")
    }
    return Namespace(descriptor: descriptor)
  }

  /// The calling thread's own network namespace.
  public static func own() throws(KernelError) -> Namespace { try open("/proc/thread-self/ns/net") }

  /// Creates a network namespace without a name: it ends when nothing holds it any more.
  public static func new() throws(KernelError) -> Namespace {
    let home = try own()
    _ = try call("make a network namespace") { cl_unshare_net() }
    defer { home.goBack() }
    return try own()
  }

  /// Whether `path` is the calling thread's own network namespace.
  public static func isOwn(_ path: String) throws(KernelError) -> Bool {
    try open(path).identity() == own().identity()
  }

  /// The device and inode numbers, which identify the namespace.
  public borrowing func identity() throws(KernelError) -> FileIdentity {
    let status = try descriptor.status()
    return FileIdentity(device: status.device, inode: status.inode)
  }

  /// A number that no other namespace gets until the next boot, even if it gets the same inode number.
  ///
  /// - Throws: ENOPROTOOPT before Linux 5.14, which has no such number.
  public borrowing func cookie() throws(KernelError) -> UInt64 {
    try enter { () throws(KernelError) in
      var cookie: UInt64 = 0
      _ = try call("read the network namespace's cookie") { unsafe cl_namespace_cookie(&cookie) }
      return cookie
    }
  }

  /// Runs `body` with this thread in the namespace, and always returns to the previous namespace (`setns(2)`).
  public borrowing func enter<Value: ~Copyable>(
    _ body: () throws(KernelError) -> Value
  ) throws(KernelError) -> Value {
    let home = try Namespace.own()
    _ = try call("enter the container's network namespace") { cl_setns_net(raw) }
    defer { home.goBack() }
    return try body()
  }

  /// How often the return is tried: setns(2) allocates memory, which may be available again.
  private static let triesToGoBack = 100

  /// Ends the process if it cannot return: to continue in the wrong namespace would be worse.
  private borrowing func goBack() {
    for _ in 0..<Self.triesToGoBack where cl_setns_net(raw) == 0 { return }
    unsafe Self.onReturnFailure(KernelError(errno: .last, doing: "return to the host's network namespace"))
  }

  /// Called for a thread that cannot return to its namespace.
  ///
  /// It must not return, and must not make any system call about networks.
  nonisolated(unsafe) public static var onReturnFailure: (KernelError) -> Never = { fatalError("\($0)") }
}

/// The identity of a file, independent of its path.
public struct FileIdentity: Hashable, Sendable {
  public var device: UInt
  public var inode: UInt
  public init(device: UInt, inode: UInt) {
    self.device = device
    self.inode = inode
  }
}
