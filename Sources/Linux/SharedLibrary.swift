import Glibc
public import NetTypes

/// A shared library that is loaded when it is first needed; it stays loaded, as it holds what it has set up.
public enum SharedLibrary {
  /// Equals `dlopen(3)` with RTLD_NOW and RTLD_LOCAL.
  ///
  /// - Parameters:
  ///   - file: `libx.so.1`, looked for where the loader looks.
  ///   - package: Debian's name for what has it.
  /// - Returns: what `dlsym(3)` takes.
  /// - Throws: ENOENT where it is missing or does not fit; what may pass with its own errno.
  public static func load(_ file: String, package: String) throws(KernelError) -> UnsafeMutableRawPointer {
    if let handle = unsafe dlopen(file, RTLD_NOW | RTLD_LOCAL) { return unsafe handle }
    let reason = unsafe dlerror().map { unsafe String(cString: $0) } ?? "unknown reason"
    // The loader says why in words alone: errno is what its own clearing up left.
    for error in KernelError.passing where reason.hasSuffix(unsafe String(cString: strerror(error.rawValue))) {
      throw KernelError("load \(file)", errno: error, reason: reason)
    }
    throw KernelError("load \(file)", errno: .ENOENT, reason: "\(reason); want the package \(package)")
  }
}
