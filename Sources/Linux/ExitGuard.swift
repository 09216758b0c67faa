import CLinux

/// Calls functions of a C library that may call `exit(3)`, which must not end the process.
@safe
public enum ExitGuard {
  /// How the library would have ended the process.
  public struct End: Sendable {
    public var status: Int32
    /// errno at that moment.
    public var error: Int32
  }

  /// `function(number)`; `End` instead of a result if it called `exit`.
  public static func create(
    _ function: @convention(c) (UInt32) -> UnsafeMutableRawPointer?, _ number: UInt32
  ) -> (UnsafeMutableRawPointer?, End?) {
    var caught = cl_exit()
    let result = unsafe cl_create_catching_exit(function, number, &caught)
    return unsafe (result, End(caught))
  }

  /// `function(object, text)`; `End` instead of a result if it called `exit`.
  public static func run(
    _ function: @convention(c) (UnsafeMutableRawPointer?, UnsafePointer<CChar>?) -> Int32,
    _ object: UnsafeMutableRawPointer, _ text: String
  ) -> (Int32, End?) {
    var caught = cl_exit()
    let result = unsafe cl_run_catching_exit(function, object, text, &caught)
    return (result, End(caught))
  }
}

extension ExitGuard.End {
  fileprivate init?(_ caught: cl_exit) {
    guard caught.called != 0 else { return nil }
    self.init(status: caught.status, error: caught.error)
  }
}
