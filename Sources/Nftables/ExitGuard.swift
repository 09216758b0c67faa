import CExit

/// Calls functions of a C library that may call `exit(3)`, without ending the process.
@safe
enum ExitGuard {
  /// The exit status and errno with which the library would have ended the process.
  struct ExitStatus: Sendable {
    var status: Int32
    /// errno at that moment.
    var error: Int32
  }

  /// `function(number)`; `ExitStatus` instead of a result if it called `exit`.
  static func create(
    _ function: @convention(c) (UInt32) -> UnsafeMutableRawPointer?, _ number: UInt32
  ) -> (UnsafeMutableRawPointer?, ExitStatus?) {
    var caught = ce_exit()
    let result = unsafe ce_create_catching_exit(function, number, &caught)
    return unsafe (result, ExitStatus(caught))
  }

  /// `function(object, text)`; `ExitStatus` instead of a result if it called `exit`.
  static func run(
    _ function: @convention(c) (UnsafeMutableRawPointer?, UnsafePointer<CChar>?) -> Int32,
    _ object: UnsafeMutableRawPointer, _ text: String
  ) -> (Int32, ExitStatus?) {
    var caught = ce_exit()
    let result = unsafe ce_run_catching_exit(function, object, text, &caught)
    return (result, ExitStatus(caught))
  }
}

extension ExitGuard.ExitStatus {
  fileprivate init?(_ caught: ce_exit) {
    guard caught.called != 0 else { return nil }
    self.init(status: caught.status, error: caught.error)
  }
}
