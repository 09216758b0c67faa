import CLinux
public import NetTypes

/// A program that runs in the background, identified by its name, one of its arguments and the network namespace.
public struct DaemonProcess: Sendable {
  public let name: String
  public let argument: String

  private static let secondsToStart = 20

  /// - Parameters:
  ///   - name: the program's file name.
  ///   - argument: an argument that only this process has, for instance its configuration file.
  public init(_ name: String, with argument: String) {
    self.name = name
    self.argument = argument
  }

  /// The path of that program; `nil` if it is not installed.
  public static func program(_ name: String) -> String? {
    let directories =
      (Environment["PATH"] ?? "").split(separator: ":").map(String.init)
      + ["/usr/sbin", "/usr/local/sbin", "/usr/bin", "/sbin"]
    return directories.lazy.filter { $0.hasPrefix("/") }.map { "\($0)/\(name)" }.first(where: Files.exists)
  }

  /// The process with that pid; `nil` if it is another one.
  public func find(_ pid: Int32) throws(KernelError) -> ProcessHandle? {
    try ProcessHandle.find(pid, named: name, with: argument)
  }

  /// The pids of all processes with that argument, also of those that are starting.
  public func pids() throws(KernelError) -> [Int32] { try ProcessHandle.pids(named: name, with: argument) }

  /// Runs the program, which goes into the background by itself once it listens.
  ///
  /// - Parameters:
  ///   - program: the program's path.
  ///   - arguments: its arguments.
  ///   - reason: chooses the message among the lines of its standard error.
  /// - Throws: EPROTO with the program's message if it refused to start, otherwise why it could not be run.
  public func start(
    _ program: String, _ arguments: [String], reason: ([Substring]) -> Substring? = { $0.last }
  ) throws(KernelError) {
    cl_close_on_exec()
    // Not the runtime's environment: it may hold secrets, and this process outlives the runtime.
    let outcome = try ChildProcess.run(
      program, arguments, environment: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], input: [], seconds: Self.secondsToStart)
    guard outcome.status != 0 else { return }
    let message = reason(String(decoding: outcome.errors, as: UTF8.self).split(separator: "\n")).map(String.init)
    throw KernelError("start \(program)", errno: .EPROTO, reason: message ?? "it ended with status \(outcome.status)")
  }

  /// Ends all these processes, repeatedly, because one that is starting forks.
  public func endAll() throws(KernelError) {
    for _ in 0..<20 {
      let pids = try pids()
      if pids.isEmpty { return }
      for pid in pids { try find(pid)?.end() }
    }
    throw KernelError("end \(name)", errno: .EBUSY, reason: "another program keeps starting processes with \(argument)")
  }
}
