import CLinux
import Glibc
public import NetTypes

/// A process, held by a pidfd, so that another process that gets the same pid later is never meant.
public struct ProcessHandle: ~Copyable {
  public let pid: Int32
  private let process: Descriptor

  /// Finds the process with that pid, if it runs the named program.
  ///
  /// The program's name is the file name of `/proc/PID/exe`; a file that has been replaced since counts too.
  ///
  /// - Parameters:
  ///   - pid: the pid.
  ///   - name: the program's file name.
  ///   - argument: an argument that it must have; it must then also be in this process's network namespace. `nil`: no
  ///     such condition.
  /// - Returns: `nil` if there is no such process or if it runs another program.
  /// - Throws: the errno of `pidfd_open(2)`, or the error that keeps `/proc` from being read.
  public static func find(
    _ pid: Int32, named name: String, with argument: String? = nil
  ) throws(KernelError) -> ProcessHandle? {
    guard pid > 0 else { return nil }
    let process: Descriptor
    do throws(KernelError) {
      process = Descriptor(adopting: Int32(try call("find process \(pid)") { cl_open_process(pid) }))
    } catch  where error.errno.isOne(of: .ESRCH, .EINVAL, .ENOENT) { return nil }  // the latter two: a thread's number
    // Checked while the pidfd is held: if the process has ended and the pid is reused, no signal reaches the new process.
    guard try runs(pid, name) else { return nil }
    if let argument, try !hasArgument(pid, argument, of: name) { return nil }
    return ProcessHandle(pid: pid, process: process)
  }

  /// The pids of all processes in this process's network namespace that run the program with that argument.
  public static func pids(named name: String, with argument: String) throws(KernelError) -> [Int32] {
    var pids: [Int32] = []
    for pid in try (Files.list("/proc") ?? []).compactMap({ Int32($0) }) {
      if try runs(pid, name), try hasArgument(pid, argument, of: name) { pids.append(pid) }
    }
    return pids
  }

  private static func runs(_ pid: Int32, _ name: String) throws(KernelError) -> Bool {
    guard let path = try Files.linkTarget("/proc/\(pid)/exe") else { return false }
    let program = path.hasSuffix(deleted) ? path.dropLast(deleted.count) : path[...]
    return program.split(separator: "/").last.map { $0 == name } == true
  }

  /// The suffix that the kernel adds to the path of a removed file.
  private static let deleted = " (deleted)"

  private static func hasArgument(_ pid: Int32, _ argument: String, of name: String) throws(KernelError) -> Bool {
    let namespace = try Files.linkTarget("/proc/\(pid)/ns/net")
    guard try namespace == Files.linkTarget("/proc/self/ns/net") else { return false }
    for _ in 0..<40 {
      guard let bytes = try arguments(pid) else { return false }
      let arguments = bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
      guard arguments.isEmpty, try runs(pid, name) else { return arguments.contains(argument) }
      // execve(2) sets the program first and the arguments a moment later.
      Clock.sleep(milliseconds: 5)
    }
    return false
  }

  /// The process's arguments; `nil` if it has ended or belongs to another user.
  private static func arguments(_ pid: Int32) throws(KernelError) -> [UInt8]? {
    do throws(KernelError) { return try Files.readIfPresent("/proc/\(pid)/cmdline") } catch {
      if error.errno == .ESRCH || error.isPermissionError { return nil }
      throw error
    }
  }

  private init(pid: Int32, process: consuming Descriptor) {
    self.pid = pid
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
    for signalNumber in [SIGTERM, SIGKILL] {
      try signal(signalNumber)
      if hasEnded(withinSeconds: 2) { return }
    }
    throw KernelError(errno: .ETIMEDOUT, doing: "end process \(pid)")
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
    for name in try Files.list("/proc/\(pid)/fd") ?? [] {
      if let target = try Files.linkTarget("/proc/\(pid)/fd/\(name)") { open.insert(target) }
    }
    return open
  }
}
