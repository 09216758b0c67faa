import CLinux
import Glibc
public import NetTypes

/// Loads a shared library when it is first needed; it stays loaded, because it keeps state.
public enum SharedLibrary {
  /// Whether this executable can load libraries: a static one cannot.
  public static var canBeLoaded: Bool { cl_can_load_libraries() != 0 }

  /// Whether this executable is static and needed a library.
  public static var wasNeeded: Bool { cl_wanted_library() != 0 }

  /// Equals `dlopen(3)` with RTLD_NOW and RTLD_LOCAL.
  ///
  /// - Parameters:
  ///   - file: the file, such as `libx.so.1`, which the dynamic loader searches.
  ///   - package: the name of the Debian package that has it.
  /// - Returns: the handle for `dlsym(3)`.
  /// - Throws: ENOENT if it is missing or incompatible; a temporary error with its own errno.
  public static func load(_ file: String, package: String) throws(KernelError) -> UnsafeMutableRawPointer {
    if let handle = unsafe dlopen(file, RTLD_NOW | RTLD_LOCAL) { return unsafe handle }
    let reason = unsafe dlerror().map { unsafe String(cString: $0) } ?? "unknown reason"
    // The loader reports the reason only as text: errno is left over from its own cleanup.
    for error in KernelError.temporary where reason.hasSuffix(unsafe String(cString: strerror(error.rawValue))) {
      throw KernelError("load \(file)", errno: error, reason: reason)
    }
    throw KernelError("load \(file)", errno: .ENOENT, reason: "\(reason); want the package \(package)")
  }
}
