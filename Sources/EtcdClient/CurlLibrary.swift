import CCurl
import Etcd
import Glibc

/// libcurl, loaded with dlopen(3).
///
/// It depends on dozens of libraries, which a plugin that does not use etcd need not load.
@safe
struct CurlLibrary {
  private(set) var functions: cc_library

  /// Loads and initialises libcurl.
  ///
  /// - Throws: `libraryMissing`, naming the package of the library.
  static func load() throws(GatewayError) -> CurlLibrary {
    // Debian has it with OpenSSL and with GnuTLS; either will do.
    let names = ["libcurl.so.4", "libcurl-gnutls.so.4"]
    var reasons: [String] = []
    for name in names {
      guard let handle = unsafe dlopen(name, RTLD_NOW | RTLD_LOCAL) else {
        unsafe reasons.append(dlerror().map { unsafe String(cString: $0) } ?? "\(name): unknown reason")
        continue
      }
      // Never unloaded: its initialisation is for the whole process.
      var functions = cc_library()
      if let missing = unsafe cc_find(handle, &functions) {
        unsafe reasons.append("\(name): it lacks \(String(cString: missing))")
        continue
      }
      guard functions.global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK else {
        reasons.append("\(name): initialisation failed")
        continue
      }
      return CurlLibrary(functions: functions)
    }
    throw GatewayError(
      .libraryMissing, "load libcurl: \(reasons.joined(separator: "; ")); want the package libcurl4, 7.68 or later")
  }
}
