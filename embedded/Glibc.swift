// The module Glibc in builds in Embedded Swift: what the other modules use of the toolchain's.
@_exported public import CGlibc

public var errno: Int32 {
  get { cg_errno() }
  set { cg_set_errno(newValue) }
}
public var environ: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?> { unsafe cg_environment() }
public var SIG_IGN: __sighandler_t? { cg_ignore() }

public var S_IFMT: mode_t { 0o170000 }
public var S_IFREG: mode_t { 0o100000 }
public var S_IFDIR: mode_t { 0o040000 }

public func fcntl(_ fd: Int32, _ command: Int32, _ value: Int32 = 0) -> Int32 { cg_fcntl(fd, command, value) }
public func fcntl(_ fd: Int32, _ command: Int32, _ value: UnsafeMutableRawPointer) -> Int32 {
  unsafe cg_fcntl_pointer(fd, command, value)
}

/// The standard library's, which Embedded Swift lacks; only the program's name.
public enum CommandLine {
  public static var arguments: [String] { [unsafe String(cString: cg_program())] }
}

extension DefaultStringInterpolation {
  /// Chosen for a value whose type is not known to have a description: Embedded Swift would print a placeholder.
  ///
  /// Every module imports it, and a warning is an error, so this is found when the plugins are built.
  @available(*, deprecated, message: "Embedded Swift can print only a CustomStringConvertible")
  public mutating func appendInterpolation<Value>(_ value: Value) {}
}
