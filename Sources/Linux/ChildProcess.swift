import CLinux
import Glibc
public import NetTypes

/// The exit status and output of a child process.
public struct ChildOutput: Equatable, Sendable {
  /// The exit status; 128 + n if signal n ended the process.
  public var status: Int32
  public var output: [UInt8]
  public var errors: [UInt8]
}

/// Runs a program to its end, with the given bytes as its standard input.
public enum ChildProcess {
  /// Runs `path` without a shell.
  ///
  /// - Parameters:
  ///   - path: the program.
  ///   - arguments: the arguments without the program's own name.
  ///   - environment: the variables, each as `NAME=value`.
  ///   - input: the content of its standard input.
  ///   - seconds: the time limit, after which it is killed.
  /// - Returns: its exit status and its output.
  /// - Throws: the errno of `posix_spawn`; ETIMEDOUT after the time limit, EFBIG if it prints more than 64 MiB, ECHILD if
  ///   its exit status is not available.
  public static func run(
    _ path: String, _ arguments: [String] = [], environment: [String], input: [UInt8], seconds: Int
  ) throws(KernelError) -> ChildOutput {
    _ = try call("keep the exit status of \(path)") { cl_keep_child_status() }
    let stdin = try Pipe.make(), stdout = try Pipe.make(), stderr = try Pipe.make()
    let child = try spawn(path, arguments, environment, stdin.reader.raw, stdout.writer.raw, stderr.writer.raw)
    return try communicate(
      child, path, input: input, stdin: stdin.takeWriter(), stdout: stdout.takeReader(), stderr: stderr.takeReader(),
      deadline: Clock.now.advanced(bySeconds: seconds))
  }

  private static func spawn(
    _ path: String, _ arguments: [String], _ environment: [String], _ stdin: Int32, _ stdout: Int32, _ stderr: Int32
  ) throws(KernelError) -> pid_t {
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    for (number, descriptor) in [stdin, stdout, stderr].enumerated() {
      unsafe posix_spawn_file_actions_adddup2(&actions, descriptor, Int32(number))
    }
    // Signals that the plugin ignores are reset to their default for the child.
    var attributes = posix_spawnattr_t()
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    unsafe sigemptyset(&signals)
    for number in StandardStreams.fatalSignals + [SIGCHLD] { unsafe sigaddset(&signals, number) }
    unsafe posix_spawnattr_setsigdefault(&attributes, &signals)
    // The signal mask is cleared too: threads of libdispatch block all signals, and a child would inherit that.
    unsafe sigemptyset(&signals)
    unsafe posix_spawnattr_setsigmask(&attributes, &signals)
    unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))

    let words = unsafe ([path] + arguments).map { unsafe strdup($0) } + [nil]
    let variables = unsafe environment.map { unsafe strdup($0) } + [nil]
    defer { unsafe (words + variables).forEach { unsafe free($0) } }
    var child = pid_t()
    let status = unsafe posix_spawn(&child, path, &actions, &attributes, words, variables)
    guard status == 0 else { throw KernelError(errno: Errno(status), doing: "run \(path)") }
    return child
  }

  /// Writes the input and reads the output at the same time, so that neither process waits for a full pipe.
  private static func communicate(
    _ child: pid_t, _ path: String, input: [UInt8], stdin: consuming Descriptor, stdout: consuming Descriptor,
    stderr: consuming Descriptor, deadline: Clock
  ) throws(KernelError) -> ChildOutput {
    var result = ChildOutput(status: 0, output: [], errors: [])
    var sink: Descriptor? = consume stdin
    if let raw = sink?.raw { _ = fcntl(raw, F_SETFL, O_NONBLOCK) }
    var sent = 0
    var open = [stdout.raw, stderr.raw]
    while !open.isEmpty {
      if sent == input.count { sink = nil }
      var waits = open.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
      if let raw = sink?.raw { waits.append(pollfd(fd: raw, events: Int16(POLLOUT), revents: 0)) }
      let ready = unsafe poll(&waits, nfds_t(waits.count), Int32(clamping: deadline.millisecondsLeft))
      if ready < 0, errno == EINTR { continue }
      let failure = ready < 0 ? Errno.last : .ETIMEDOUT
      let isTooLong = result.output.count + result.errors.count > maxBytes
      // If the child prints without end, `poll` never times out, so the deadline is checked here too.
      if ready <= 0 || isTooLong || deadline < Clock.now {
        kill(child, SIGKILL)
        _ = try? reap(child, path)  // the error below says why it was killed
        throw KernelError(errno: isTooLong ? .EFBIG : failure, doing: "run \(path)")
      }
      for wait in waits where wait.revents != 0 {
        if wait.fd == sink?.raw {
          let count = unsafe input[sent...].withUnsafeBytes { unsafe write(wait.fd, $0.baseAddress, $0.count) }
          // A child that stops reading is no error: its output and status decide.
          if count < 0, errno != EAGAIN, errno != EINTR { sink = nil } else { sent += max(0, count) }
        } else if let bytes = readSome(wait.fd) {
          if wait.fd == stdout.raw { result.output += bytes } else { result.errors += bytes }
        } else {
          open.removeAll { $0 == wait.fd }
        }
      }
    }
    sink = nil
    result.status = try reap(child, path)
    return result
  }

  private static let maxBytes = 64 << 20

  /// The bytes that are available; `nil` at the end of the file.
  private static func readSome(_ descriptor: Int32) -> [UInt8]? {
    let size = 16384
    let chunk = try? unsafe bytes(atMost: size, "read") { unsafe read(descriptor, $0, size) }
    return chunk?.isEmpty == false ? chunk : nil
  }

  private static func reap(_ child: pid_t, _ path: String) throws(KernelError) -> Int32 {
    var status: Int32 = 0
    _ = try call("get the exit status of \(path)") { unsafe waitpid(child, &status, 0) }
    let signal = status & 0x7F
    return signal == 0 ? status >> 8 & 0xFF : 128 + signal
  }
}

private struct Pipe: ~Copyable {
  var reader: Descriptor
  var writer: Descriptor

  static func make() throws(KernelError) -> Pipe {
    var ends: [Int32] = [0, 0]
    _ = try call("make a pipe") { unsafe cl_pipe(&ends) }
    return Pipe(reader: Descriptor(adopting: ends[0]), writer: Descriptor(adopting: ends[1]))
  }

  /// Keeps the read end and closes the other.
  consuming func takeReader() -> Descriptor { reader }
  consuming func takeWriter() -> Descriptor { writer }
}
