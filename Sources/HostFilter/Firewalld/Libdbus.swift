import CDBus
import Glibc
import Linux
import NetTypes

/// The functions of libdbus-1, loaded with dlopen.
@safe
struct Libdbus {
  private(set) var functions: cd_library

  /// - Throws: ENOENT with the name of Debian's package; ENOSYS if a function is missing.
  static func load() throws(KernelError) -> Libdbus {
    let name = "libdbus-1.so.3"
    let handle = try unsafe SharedLibrary.load(name, package: "libdbus-1-3")
    var functions = cd_library()
    if let missing = unsafe cd_find(handle, &functions) {
      throw KernelError("load \(name)", errno: .ENOSYS, reason: "it lacks \(unsafe String(cString: missing))")
    }
    return Libdbus(functions: functions)
  }
}
