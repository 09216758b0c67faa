import Glibc

/// A point in time on the monotonic clock (`CLOCK_MONOTONIC`).
public struct Clock: Comparable, Sendable {
  private var nanoseconds: Int

  public static var now: Clock {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return Clock(nanoseconds: Int(time.tv_sec) * 1_000_000_000 + Int(time.tv_nsec))
  }

  public func advanced(bySeconds seconds: Int) -> Clock { Clock(nanoseconds: nanoseconds + seconds * 1_000_000_000) }

  public func advanced(byMilliseconds milliseconds: Int) -> Clock {
    Clock(nanoseconds: nanoseconds + milliseconds * 1_000_000)
  }

  public func microseconds(since start: Clock) -> Int { (nanoseconds - start.nanoseconds) / 1000 }

  /// Milliseconds from now to this point; 0 once it is past.
  public var millisecondsLeft: Int { max(0, (nanoseconds - Clock.now.nanoseconds) / 1_000_000) }

  public static func < (left: Clock, right: Clock) -> Bool { left.nanoseconds < right.nanoseconds }

  /// Suspends this thread.
  public static func sleep(milliseconds: Int) { usleep(UInt32(milliseconds) * 1000) }

  /// Suspends this thread.
  public static func sleep(microseconds: Int) { usleep(UInt32(microseconds)) }
}
