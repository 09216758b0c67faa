import CNftables
import Glibc
import Linux
import NetTypes

/// libnftables, loaded with dlopen.
///
/// So a plugin process that does not use nftables does not need the library and does not spend time to load it.
@safe
struct Libnftables {
  private let makeContext: cn_create
  private let freeContext: cn_ctx_free
  private let keepErrors: cn_ctx_buffer
  private let errors: cn_ctx_text
  private let runCommands: cn_run_untyped

  /// - Throws: ENOENT with the name of the package that has it; a temporary error with its own errno.
  static func load() throws(KernelError) -> Libnftables {
    let name = "libnftables.so.1"
    let handle = try unsafe SharedLibrary.load(name, package: "libnftables1")
    guard let make = unsafe dlsym(handle, "nft_ctx_new"), let release = unsafe dlsym(handle, "nft_ctx_free"),
      let keep = unsafe dlsym(handle, "nft_ctx_buffer_error"),
      let errors = unsafe dlsym(handle, "nft_ctx_get_error_buffer"),
      let run = unsafe dlsym(handle, "nft_run_cmd_from_buffer")
    else { throw KernelError("load \(name)", errno: .ENOSYS, reason: "it lacks a function; want version 1") }
    return unsafe Libnftables(
      makeContext: unsafeBitCast(make, to: cn_create.self), freeContext: unsafeBitCast(release, to: cn_ctx_free.self),
      keepErrors: unsafeBitCast(keep, to: cn_ctx_buffer.self), errors: unsafeBitCast(errors, to: cn_ctx_text.self),
      runCommands: unsafeBitCast(run, to: cn_run_untyped.self))
  }

  /// Opens a context for commands, in the calling thread's network namespace.
  ///
  /// - Throws: EMFILE, ENOMEM and so on if the library gets no socket or no memory.
  func open() throws(KernelError) -> Context {
    let (raw, end) = unsafe ExitGuard.create(makeContext, UInt32(NFT_CTX_DEFAULT))
    if let end { throw end.error("open nftables") }
    guard let raw = unsafe raw else { throw KernelError("open nftables", errno: .ENOMEM, reason: "no context") }
    let handle = OpaquePointer(raw)
    let context = unsafe Context(library: self, handle: handle)  // owned from here: every throw below frees it
    guard unsafe keepErrors(handle) == 0 else {
      throw KernelError("open nftables", errno: .ENOMEM, reason: "no buffer for errors")
    }
    return context
  }

  /// A libnftables context with its own socket.
  ///
  /// Use one for a whole call: when it is closed, the kernel waits until deleted objects are out of use.
  @safe
  struct Context: ~Copyable {
    fileprivate let library: Libnftables
    fileprivate let handle: OpaquePointer
    private let state = State()

    /// Whether the library was left in the middle of a call, by `exit(3)`.
    private final class State { var isAbandoned = false }

    fileprivate init(library: Libnftables, handle: OpaquePointer) {
      self.library = library
      unsafe self.handle = handle
    }

    deinit {
      // A library that was left in the middle of a call may not be able to free its context.
      if !state.isAbandoned { unsafe library.freeContext(handle) }
    }

    /// Runs commands as one transaction.
    ///
    /// - Parameters:
    ///   - commands: one command per line.
    ///   - operation: what the commands do, for errors.
    /// - Throws: the kernel's errno, with the library's error text; ENOTRECOVERABLE after the library once called `exit`.
    borrowing func run(_ commands: [String], doing operation: @autoclosure () -> String) throws(KernelError) {
      guard !state.isAbandoned else {
        throw KernelError(
          operation(), errno: .ENOTRECOVERABLE, reason: "libnftables called exit() for an earlier command")
      }
      let (status, end) = unsafe ExitGuard.run(
        library.runCommands, UnsafeMutableRawPointer(handle), commands.joined(separator: "\n"))
      if let end {
        state.isAbandoned = true
        throw end.error(operation())
      }
      guard status != 0 else { return }
      let message = unsafe library.errors(handle).map { unsafe String(cString: $0) } ?? ""
      let errno = NftErrorText.errno(message) { unsafe String(cString: strerror($0.rawValue)) }
      throw KernelError(
        operation(), errno: errno, reason: unsafe String(cString: strerror(errno.rawValue)),
        kernelMessage: NftErrorText.shortened(message))
    }
  }
}

extension ExitGuard.ExitStatus {
  /// The error for libnftables' exit status.
  ///
  /// The status is 2 if it gets no memory, 3 if it gets no socket, and 1 if the answer to one of its requests is
  /// interrupted; in the last case errno is that of a later call.
  fileprivate func error(_ operation: String) -> KernelError {
    let code: Errno =
      switch status {
      case 2: .ENOMEM
      case 3 where error != 0: Errno(error)
      default: .EINTR
      }
    return KernelError(
      operation, errno: code, reason: unsafe String(cString: strerror(code.rawValue)),
      kernelMessage: "libnftables called exit() with status \(status)")
  }
}
