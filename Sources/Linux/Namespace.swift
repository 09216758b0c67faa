import CLinux
import Glibc
public import NetTypes

/// A network namespace, held open.
public struct Namespace: ~Copyable {
  let descriptor: Descriptor
  public var raw: Int32 { descriptor.raw }

  /// Opens the namespace behind `path`.
  ///
  /// - Throws: EINVAL for a file that is none.
  public static func open(_ path: String) throws(KernelError) -> Namespace {
    // Not blocking, so that a FIFO in the place of a namespace is refused and not waited for.
    let descriptor = try Descriptor.open(path, flags: O_RDONLY | O_NONBLOCK, mode: 0)
    let answer = try call("ask what \(path) is") { cl_is_net_namespace(descriptor.raw) }
    guard answer == 1 else {
      throw KernelError("open network namespace \(path)", errno: .EINVAL, reason: "not a network namespace")
    }
    return Namespace(descriptor: descriptor)
  }

  /// The calling thread's own.
  public static func own() throws(KernelError) -> Namespace { try open("/proc/thread-self/ns/net") }

  /// A new one, without a name: it ends with the last that holds it.
  public static func new() throws(KernelError) -> Namespace {
    let home = try own()
    _ = try call("make a network namespace") { cl_unshare_net() }
    defer { home.goBack() }
    return try own()
  }

  /// Whether `path` leads to the calling thread's own.
  public static func isOwn(_ path: String) throws(KernelError) -> Bool {
    try open(path).identity() == own().identity()
  }

  /// Device and inode: equal for equal namespaces.
  public borrowing func identity() throws(KernelError) -> FileIdentity {
    let status = try descriptor.status()
    return FileIdentity(device: status.device, inode: status.inode)
  }

  /// A number that no other namespace has until the next boot, not even one that gets this one's inode.
  ///
  /// - Throws: ENOPROTOOPT where the kernel has none, before Linux 5.14.
  public borrowing func cookie() throws(KernelError) -> UInt64 {
    try enter { () throws(KernelError) in
      var cookie: UInt64 = 0
      _ = try call("ask for a network namespace's cookie") { unsafe cl_namespace_cookie(&cookie) }
      return cookie
    }
  }

  /// Runs `body` with this thread in the namespace, and comes back whatever happens.
  public borrowing func enter<Value: ~Copyable>(
    _ body: () throws(KernelError) -> Value
  ) throws(KernelError) -> Value {
    let home = try Namespace.own()
    _ = try call("enter the container's network namespace") { cl_setns_net(raw) }
    defer { home.goBack() }
    return try body()
  }

  /// How often going back is tried: setns(2) allocates memory, which there may be again.
  private static let triesToGoBack = 100

  /// Ends the process where it cannot: going on in the wrong namespace would be worse.
  private borrowing func goBack() {
    for _ in 0..<Self.triesToGoBack where cl_setns_net(raw) == 0 { return }
    unsafe Self.isLost(KernelError(errno: .last, doing: "go back to the host's network namespace"))
  }

  /// Told of a thread that cannot go back to its namespace; must neither return nor ask the kernel for anything of a network.
  nonisolated(unsafe) public static var isLost: (KernelError) -> Never = { fatalError("\($0)") }
}

/// Which file it is, whatever its path.
public struct FileIdentity: Hashable, Sendable {
  public var device: UInt
  public var inode: UInt
  public init(device: UInt, inode: UInt) {
    self.device = device
    self.inode = inode
  }
}
