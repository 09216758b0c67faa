import Glibc

/// The wall-clock time.
public enum WallClock {
  /// Seconds since 1970, UTC.
  public static var seconds: Int {
    var time = timespec()
    unsafe clock_gettime(CLOCK_REALTIME, &time)
    return Int(time.tv_sec)
  }
}
