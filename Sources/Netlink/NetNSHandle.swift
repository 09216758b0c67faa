import Linux
import NetTypes

/// A network namespace and a socket in it.
public struct NetNSHandle: ~Copyable {
  var socket: NetlinkSocket
  /// `nil` for this thread's own namespace.
  private let namespace: Namespace?

  private init(_ socket: consuming NetlinkSocket, in namespace: consuming Namespace?) {
    self.socket = socket
    self.namespace = namespace
  }

  /// - Parameter path: the namespace; `nil` for this thread's own namespace.
  /// - Returns: the namespace, held open, with a socket in it.
  /// - Throws: the kernel's error; EINVAL if `path` is not a network namespace.
  static func open(_ path: String?) throws(KernelError) -> NetNSHandle {
    guard let path else { return NetNSHandle(try NetlinkSocket.open(), in: nil) }
    return try open(try Namespace.open(path))
  }

  /// Creates a namespace that ends with this value.
  static func inNewNamespace() throws(KernelError) -> NetNSHandle { try open(try Namespace.new()) }

  private static func open(_ namespace: consuming Namespace) throws(KernelError) -> NetNSHandle {
    let socket = try namespace.enter { () throws(KernelError) in try NetlinkSocket.open() }
    return NetNSHandle(socket, in: namespace)
  }

  /// Runs `body` with this thread in the namespace, for operations that need more than a socket.
  borrowing func enter<Value>(_ body: () throws(KernelError) -> Value) throws(KernelError) -> Value {
    switch namespace {
    case let namespace?: try namespace.enter(body)
    case nil: try body()
    }
  }

  /// The namespace's descriptor; `nil` for this thread's own namespace.
  var descriptor: Int32? {
    switch namespace {
    case let namespace?: namespace.raw
    case nil: nil
    }
  }
}
