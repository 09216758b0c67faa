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

  /// Runs commands as one transaction.
  ///
  /// - Parameters:
  ///   - commands: one for each line.
  ///   - operation: what they do, for errors.
  /// - Throws: the kernel's errno, and the library's own words.
  func run(_ commands: [String], doing operation: @autoclosure () -> String) throws(KernelError) {
    guard let context = unsafe makeContext(UInt32(NFT_CTX_DEFAULT)) else {
      throw KernelError(operation(), errno: ENOMEM, reason: "no nftables context")
    }
    defer { unsafe freeContext(context) }
    guard unsafe keepErrors(context) == 0 else {
      throw KernelError(operation(), errno: ENOMEM, reason: "no buffer for errors")
    }
    let status = unsafe runCommands(context, commands.joined(separator: "\n"))
    guard status != 0 else { return }
    let words = unsafe errors(context).map { unsafe String(cString: $0) } ?? ""
    let errno = Complaint.errno(words) { unsafe String(cString: strerror($0)) }
    throw KernelError(
      operation(), errno: errno, reason: unsafe String(cString: strerror(errno)),
      kernelMessage: Complaint.shortened(words))
  }
}
