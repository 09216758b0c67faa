/// The kernel said no: which operation, its `errno`, and its own explanation where it gave one.
public struct KernelError: Error, Equatable, Sendable, CustomStringConvertible {
  /// What was tried, with its values: "add route 10.9.0.0/16 via 10.1.1.1".
  public var operation: String
  /// 0 where a library refused before the kernel was asked.
  public var errno: Int32
  /// The text of `errno`, or the library's.
  public var reason: String
  /// The kernel's extended-acknowledgement text, for instance "Nexthop has invalid gateway"; may be empty.
  public var kernelMessage: String

  public init(_ operation: String, errno: Int32, reason: String, kernelMessage: String = "") {
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
  public var isLostAnswer: Bool { errno == 105 || errno == 12 }

  /// EINTR, EIO, EAGAIN, ENOMEM, ENFILE, EMFILE, ENOBUFS.
  public static let passing: [Int32] = [4, 5, 11, 12, 23, 24, 105]

  /// Whether it says nothing about what was looked for.
  public var mayPass: Bool { Self.passing.contains(errno) }

  /// ENOENT, EINVAL, ENOSYS, EPROTONOSUPPORT, EOPNOTSUPP, EAFNOSUPPORT, ECONNREFUSED: the host lacks it.
  public var saysAbsent: Bool { [2, 22, 38, 93, 95, 97, 111].contains(errno) }
}
