import Glibc

/// SIGTERM and SIGINT of a program that runs until it is stopped.
public enum TerminationSignals {
  private static let signals = [SIGTERM, SIGINT]

  /// From now on they end the process with status 0.
  public static func exitCleanly() { for number in signals { _ = signal(number) { _ in _exit(0) } } }

  /// Runs `body`; a signal meanwhile takes effect after it.
  public static func deferred<Value, Failure: Error>(
    _ body: () throws(Failure) -> Value
  ) throws(Failure) -> Value {
    var set = sigset_t()
    unsafe sigemptyset(&set)
    for number in signals { unsafe sigaddset(&set, number) }
    unsafe sigprocmask(SIG_BLOCK, &set, nil)
    defer { unsafe sigprocmask(SIG_UNBLOCK, &set, nil) }
    return try body()
  }
}
