/// An error of the kernel: the operation, its `errno`, and the kernel's message if it sent one.
public struct KernelError: Error, Equatable, Sendable, CustomStringConvertible {
  private struct Fields: Equatable, Sendable {
    var operation: String
    var errno: Errno
    var reason: String
    var kernelMessage: String
  }

  /// Half of a plugin's code passes errors on; a reference is one word.
  private var fields: Boxed<Fields>

  /// The operation with its values: "add route 10.9.0.0/16 via 10.1.1.1".
  public var operation: String { fields.value.operation }
  /// The error number; 0 if a library refused the operation without a system call.
  public var errno: Errno { fields.value.errno }
  /// The text for `errno`, or the library's text.
  public var reason: String {
    get { fields.value.reason }
    set { fields.value.reason = newValue }
  }
  /// The kernel's extended-acknowledgement text, for instance "Nexthop has invalid gateway"; may be empty.
  public var kernelMessage: String {
    get { fields.value.kernelMessage }
    set { fields.value.kernelMessage = newValue }
  }

  public init(_ operation: String, errno: Errno, reason: String, kernelMessage: String = "") {
    fields = Boxed(Fields(operation: operation, errno: errno, reason: reason, kernelMessage: kernelMessage))
  }

  public var description: String {
    kernelMessage.isEmpty ? "\(operation): \(reason)" : "\(operation): \(reason) (\(kernelMessage))"
  }
}

extension KernelError {
  /// Whether the kernel had no memory for its answer (ENOBUFS, ENOMEM), so the change may have been made.
  public var isLostAnswer: Bool { errno == .ENOBUFS || errno == .ENOMEM }

  /// Whether another process held a lock, or the call would have blocked (EAGAIN).
  public var isTryAgain: Bool { errno == .EAGAIN }

  /// The temporary errors: EINTR, EIO, EAGAIN, ENOMEM, ENFILE, EMFILE, ENOBUFS.
  public static let temporary: [Errno] = [.EINTR, .EIO, .EAGAIN, .ENOMEM, .ENFILE, .EMFILE, .ENOBUFS]

  /// Whether the error is temporary, so that it does not show that an object is missing.
  public var isTemporary: Bool { Self.temporary.contains(errno) }

  /// Whether the error of opening a network namespace shows that the path is missing or is something else.
  public var meansNoNamespace: Bool {
    errno.isOne(of: .ENOENT, .ENOTDIR, .EINVAL, .ENOTTY, .ELOOP, .ENAMETOOLONG, .ENXIO, .ESRCH)
  }

  /// Whether the error of a removal shows that the object, or the link it was on, is gone already.
  public var meansAlreadyGone: Bool { errno.isOne(of: .ENOENT, .ESRCH, .ENODEV, .EADDRNOTAVAIL) }

  /// Whether the error shows that the host lacks the feature.
  public var meansUnsupported: Bool {
    errno.isOne(of: .ENOENT, .EINVAL, .ENOSYS, .EPROTONOSUPPORT, .EOPNOTSUPP, .EAFNOSUPPORT, .ECONNREFUSED)
  }
}
