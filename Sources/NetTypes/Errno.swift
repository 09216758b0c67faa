/// An error number of errno(3); Linux uses the same numbers on all machines that Swift supports.
public struct Errno: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
  public var rawValue: Int32

  public init(rawValue: Int32) { self.rawValue = rawValue }
  public init(_ number: Int32) { rawValue = number }

  public var description: String { "\(rawValue)" }

  /// Whether it is one of these: `error.errno.isOne(of: .EINTR, .ENOBUFS)`.
  public func isOne(of others: Errno...) -> Bool { others.contains(self) }

  /// No errno: a library refused the operation without a system call.
  public static let none = Errno(0)

  public static let EPERM = Errno(1)
  public static let ENOENT = Errno(2)
  public static let ESRCH = Errno(3)
  public static let EINTR = Errno(4)
  public static let EIO = Errno(5)
  public static let ENXIO = Errno(6)
  public static let ENOEXEC = Errno(8)
  public static let EAGAIN = Errno(11)
  public static let EWOULDBLOCK = Errno(11)
  public static let ENOMEM = Errno(12)
  public static let EACCES = Errno(13)
  public static let EBUSY = Errno(16)
  public static let EEXIST = Errno(17)
  public static let EXDEV = Errno(18)
  public static let ENODEV = Errno(19)
  public static let ENOTDIR = Errno(20)
  public static let EISDIR = Errno(21)
  public static let EINVAL = Errno(22)
  public static let ENFILE = Errno(23)
  public static let EMFILE = Errno(24)
  public static let ENOTTY = Errno(25)
  public static let ETXTBSY = Errno(26)
  public static let EFBIG = Errno(27)
  public static let ENOSPC = Errno(28)
  public static let EROFS = Errno(30)
  public static let EPIPE = Errno(32)
  public static let ENAMETOOLONG = Errno(36)
  public static let ENOSYS = Errno(38)
  public static let ENOTEMPTY = Errno(39)
  public static let ELOOP = Errno(40)
  public static let EPROTO = Errno(71)
  public static let EBADMSG = Errno(74)
  public static let EPROTONOSUPPORT = Errno(93)
  public static let ENOTSUP = Errno(95)
  public static let EOPNOTSUPP = Errno(95)
  public static let EAFNOSUPPORT = Errno(97)
  public static let EADDRINUSE = Errno(98)
  public static let EADDRNOTAVAIL = Errno(99)
  public static let ENETUNREACH = Errno(101)
  public static let ENOBUFS = Errno(105)
  public static let ENOTCONN = Errno(107)
  public static let ETIMEDOUT = Errno(110)
  public static let ECONNRESET = Errno(104)
  public static let ECONNREFUSED = Errno(111)
  public static let EHOSTUNREACH = Errno(113)
  public static let ENOTRECOVERABLE = Errno(131)
}
