import CLinux
import Glibc
public import NetTypes

/// A process, held by a pidfd, so that another process that gets the same pid later is never meant.
public struct RunningProgram: ~Copyable {
  public let number: Int32
  private let process: Descriptor

  /// Finds the process with that pid, if it runs the named program.
  ///
  /// The program's name is the file name of `/proc/PID/exe`; a file that has been replaced since counts too.
  ///
  /// - Parameters:
  ///   - number: the pid.
  ///   - name: the program's file name.
  ///   - argument: an argument that it must have; it must then also be in this process's network namespace. `nil`: no
  ///     such condition.
  /// - Returns: `nil` if there is no such process or if it runs another program.
  /// - Throws: the errno of `pidfd_open(2)`, or the error that keeps `/proc` from being read.
  public static func find(
    _ number: Int32, named name: String, with argument: String? = nil
  ) throws(KernelError) -> RunningProgram? {
    guard number > 0 else { return nil }
    let process: Descriptor
    do throws(KernelError) {
      process = Descriptor(adopting: Int32(try call("find process \(number)") { cl_open_process(number) }))
    } catch  where error.errno.isOne(of: .ESRCH, .EINVAL, .ENOENT) { return nil }  // the latter two: a thread's number
    // Checked while the pidfd is held: if the process has ended and the pid is reused, no signal reaches the new process.
    guard try runs(number, name) else { return nil }
    if let argument, try !hasArgument(number, argument, of: name) { return nil }
    return RunningProgram(number: number, process: process)
  }

  /// The pids of all processes in this process's network namespace that run the program with that argument.
  public static func numbers(named name: String, with argument: String) throws(KernelError) -> [Int32] {
    var numbers: [Int32] = []
    for number in try (Files.list("/proc") ?? []).compactMap({ Int32($0) }) {
      if try runs(number, name), try hasArgument(number, argument, of: name) { numbers.append(number) }
    }
    return numbers
  }

  private static func runs(_ number: Int32, _ name: String) throws(KernelError) -> Bool {
    guard let path = try Files.linkTarget("/proc/\(number)/exe") else { return false }
    let program = path.hasSuffix(deleted) ? path.dropLast(deleted.count) : path[...]
    return program.split(separator: "/").last.map { $0 == name } == true
  }

  /// The suffix that the kernel adds to the path of a removed file.
  private static let deleted = " (deleted)"

  private static func hasArgument(_ number: Int32, _ argument: String, of name: String) throws(KernelError) -> Bool {
    let namespace = try Files.linkTarget("/proc/\(number)/ns/net")
    guard try namespace == Files.linkTarget("/proc/self/ns/net") else { return false }
    for _ in 0..<40 {
      guard let bytes = try arguments(number) else { return false }
      let arguments = bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
      guard arguments.isEmpty, try runs(number, name) else { return arguments.contains(argument) }
      // execve(2) sets the program first and the arguments a moment later.
      Clock.sleep(milliseconds: 5)
    }
    return false
  }

  /// The process's arguments; `nil` if it has ended or belongs to another user.
  private static func arguments(_ number: Int32) throws(KernelError) -> [UInt8]? {
    do throws(KernelError) { return try Files.readIfPresent("/proc/\(number)/cmdline") } catch {
      if error.errno == .ESRCH || error.isRefusal { return nil }
      throw error
    }
  }

  private init(number: Int32, process: consuming Descriptor) {
    self.number = number
    self.process = process
  }

  /// Sends a signal; no-op if the process has ended.
  public func signal(_ signal: Int32) throws(KernelError) {
    do throws(KernelError) {
      _ = try call("signal a process") { cl_signal_process(process.raw, signal) }
    } catch  where error.errno == .ESRCH {}
  }

  /// Ends the process by SIGTERM, and by SIGKILL if it is still running after two seconds.
  ///
  /// - Throws: ETIMEDOUT if it is still running two seconds later.
  public func end() throws(KernelError) {
    for number in [SIGTERM, SIGKILL] {
      try signal(number)
      if hasEnded(withinSeconds: 2) { return }
    }
    throw KernelError(errno: .ETIMEDOUT, doing: "end process \(number)")
  }

  private func hasEnded(withinSeconds seconds: Int) -> Bool {
    let deadline = Clock.now.advanced(bySeconds: seconds)
    while true {
      var wait = pollfd(fd: process.raw, events: Int16(POLLIN), revents: 0)
      let ready = unsafe poll(&wait, 1, Int32(clamping: deadline.millisecondsLeft))
      if ready < 0, errno == EINTR { continue }
      return ready > 0
    }
  }

  /// What the process has open, as the links in `/proc/PID/fd` show it: `/dev/null`, `socket:[4711]`.
  public func openFiles() throws(KernelError) -> Set<String> {
    var open: Set<String> = []
    for name in try Files.list("/proc/\(number)/fd") ?? [] {
      if let target = try Files.linkTarget("/proc/\(number)/fd/\(name)") { open.insert(target) }
    }
    return open
  }
}
