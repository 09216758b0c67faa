import CNftables
import Glibc
import Kernel

/// libnftables, loaded.
///
/// A plugin that never touches nftables need not find it, nor pay for loading it.
@safe
struct Library {
  private let makeContext: cn_ctx_new
  private let freeContext: cn_ctx_free
  private let keepErrors: cn_ctx_buffer
  private let errors: cn_ctx_text
  private let runCommands: cn_run

  /// - Throws: ENOENT saying which package has it.
  static func load() throws(KernelError) -> Library {
    let name = "libnftables.so.1"
    guard let handle = unsafe dlopen(name, RTLD_NOW | RTLD_LOCAL) else {
      let reason = unsafe dlerror().map { unsafe String(cString: $0) } ?? "unknown reason"
      throw KernelError("load \(name)", errno: ENOENT, reason: "\(reason); want the package libnftables1")
    }
    // Never unloaded: it holds what it has set up for the whole process.
    guard let make = unsafe dlsym(handle, "nft_ctx_new"), let release = unsafe dlsym(handle, "nft_ctx_free"),
      let keep = unsafe dlsym(handle, "nft_ctx_buffer_error"),
      let errors = unsafe dlsym(handle, "nft_ctx_get_error_buffer"),
      let run = unsafe dlsym(handle, "nft_run_cmd_from_buffer")
    else { throw KernelError("load \(name)", errno: ENOSYS, reason: "it lacks a function; want version 1") }
    return unsafe Library(
      makeContext: unsafeBitCast(make, to: cn_ctx_new.self), freeContext: unsafeBitCast(release, to: cn_ctx_free.self),
      keepErrors: unsafeBitCast(keep, to: cn_ctx_buffer.self), errors: unsafeBitCast(errors, to: cn_ctx_text.self),
      runCommands: unsafeBitCast(run, to: cn_run.self))
  }

  /// Opens what commands are run with, in the calling thread's network namespace.
  func open() throws(KernelError) -> Context {
    guard let handle = unsafe makeContext(UInt32(NFT_CTX_DEFAULT)) else {
      throw KernelError("open nftables", errno: ENOMEM, reason: "no context")
    }
    let context = unsafe Context(library: self, handle: handle)  // owned from here: every throw below frees it
    guard unsafe keepErrors(handle) == 0 else {
      throw KernelError("open nftables", errno: ENOMEM, reason: "no buffer for errors")
    }
    return context
  }

  /// libnftables with a socket of its own.
  ///
  /// One for a whole call: when it is closed, the kernel waits until what was deleted is out of use.
  @safe
  struct Context: ~Copyable {
    fileprivate let library: Library
    fileprivate let handle: OpaquePointer

    fileprivate init(library: Library, handle: OpaquePointer) {
      self.library = library
      unsafe self.handle = handle
    }

    deinit { unsafe library.freeContext(handle) }

    /// Runs commands as one transaction.
    ///
    /// - Parameters:
    ///   - commands: one for each line.
    ///   - operation: what they do, for errors.
    /// - Throws: the kernel's errno, and the library's own words.
    borrowing func run(_ commands: [String], doing operation: @autoclosure () -> String) throws(KernelError) {
      let status = unsafe library.runCommands(handle, commands.joined(separator: "\n"))
      guard status != 0 else { return }
      let words = unsafe library.errors(handle).map { unsafe String(cString: $0) } ?? ""
      let errno = Complaint.errno(words) { unsafe String(cString: strerror($0)) }
      throw KernelError(
        operation(), errno: errno, reason: unsafe String(cString: strerror(errno)),
        kernelMessage: Complaint.shortened(words))
    }
  }
}
