/// The kernel said no: which operation, its `errno`, and its own explanation where it gave one.
public struct KernelError: Error, Equatable, Sendable, CustomStringConvertible {
  /// What was tried, with its values: "add route 10.9.0.0/16 via 10.1.1.1".
  public var operation: String
  /// 0 where a library refused before the kernel was asked.
  public var errno: Errno
  /// The text of `errno`, or the library's.
  public var reason: String
  /// The kernel's extended-acknowledgement text, for instance "Nexthop has invalid gateway"; may be empty.
  public var kernelMessage: String

  public init(_ operation: String, errno: Errno, reason: String, kernelMessage: String = "") {
    self.operation = operation
    self.errno = errno
    self.reason = reason
    self.kernelMessage = kernelMessage
  }

  public var description: String {
    kernelMessage.isEmpty ? "\(operation): \(reason)" : "\(operation): \(reason) (\(kernelMessage))"
  }
}

extension KernelError {
  /// ENOBUFS, ENOMEM: perhaps the kernel did what was asked and had no memory to say so.
  public var isLostAnswer: Bool { errno == .ENOBUFS || errno == .ENOMEM }

  public var isTryAgain: Bool { errno == .EAGAIN }

  /// EINTR, EIO, EAGAIN, ENOMEM, ENFILE, EMFILE, ENOBUFS.
  public static let passing: [Errno] = [.EINTR, .EIO, .EAGAIN, .ENOMEM, .ENFILE, .EMFILE, .ENOBUFS]

  /// Whether it says nothing about what was looked for.
  public var mayPass: Bool { Self.passing.contains(errno) }

  /// Of opening a network namespace: there is nothing at its path, or something else.
  public var saysNoNamespace: Bool {
    errno.isOne(of: .ENOENT, .ENOTDIR, .EINVAL, .ENOTTY, .ELOOP, .ENAMETOOLONG, .ENXIO, .ESRCH)
  }

  /// Of a removal: it is gone already, or the link that it was on.
  public var isAbsence: Bool { errno.isOne(of: .ENOENT, .ESRCH, .ENODEV, .EADDRNOTAVAIL) }

  /// ENOENT, EINVAL, ENOSYS, EPROTONOSUPPORT, EOPNOTSUPP, EAFNOSUPPORT, ECONNREFUSED: the host lacks it.
  public var saysAbsent: Bool {
    errno.isOne(of: .ENOENT, .EINVAL, .ENOSYS, .EPROTONOSUPPORT, .EOPNOTSUPP, .EAFNOSUPPORT, .ECONNREFUSED)
  }
}
