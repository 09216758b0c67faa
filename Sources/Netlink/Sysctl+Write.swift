import Kernel
import Linux
import NetTypes

extension Sysctl {
  /// The current value; `nil` if the kernel has no such setting.
  func read() throws(KernelError) -> String? {
    guard let bytes = try Files.readIfPresent("/proc/sys/\(key)") else { return nil }
    return String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
  }

  /// Writes the setting in the namespace of this thread, as `sysctl -w` does; no-op if it has that value already.
  ///
  /// That of one interface is not read before: with a thousand namespaces the kernel takes up to a millisecond to find it.
  /// Writing the same value changes nothing there, while `all` would pass it on to every interface.
  ///
  /// An optional setting is skipped with a warning if it cannot be written, as in containers with a read-only
  /// `/proc/sys`.
  func write() throws(KernelError) {
    if interface == nil, let current = try? read(), matches(current) { return }  // some settings are write-only
    do throws(KernelError) {
      try Files.overwrite("/proc/sys/\(key)", with: value)
    } catch {
      if isOptional, error.isMissing { return }
      guard error.isPermissionError else { throw error }
      let current = try? read()  // the write's error is reported
      if let current, matches(current) { return }
      let refused = KernelError(
        "set sysctl \(key)=\(value), which is \(current ?? "unknown")", errno: error.errno, reason: error.reason)
      guard isOptional else { throw refused }
      // Only a warning, so an error of standard error is ignored.
      try? StandardStreams.write(Array("not changed: \(refused)\n".utf8), to: StandardStreams.error)
    }
  }
}
