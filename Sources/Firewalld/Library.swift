import CDBus
import Glibc
import Kernel

/// The functions of libdbus-1, loaded with dlopen.
@safe
struct Library {
  private(set) var functions: cd_library

  /// Loads the library; it stays loaded until the process ends.
  ///
  /// - Throws: ENOENT with the name of Debian's package; ENOSYS if a function is missing.
  static func load() throws(KernelError) -> Library {
    let name = "libdbus-1.so.3"
    guard let handle = unsafe dlopen(name, RTLD_NOW | RTLD_LOCAL) else {
      let reason = unsafe dlerror().map { unsafe String(cString: $0) } ?? "unknown reason"
      throw KernelError("load \(name)", errno: ENOENT, reason: "\(reason); want the package libdbus-1-3")
    }
    var functions = cd_library()
    if let missing = unsafe cd_find(handle, &functions) {
      throw KernelError("load \(name)", errno: ENOSYS, reason: "it lacks \(unsafe String(cString: missing))")
    }
    return Library(functions: functions)
  }
}
