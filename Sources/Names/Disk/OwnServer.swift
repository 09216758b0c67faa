import CNI
import Glibc
import Linux
public import NetTypes

/// What the dnsmasq that `dns-hosts` runs for a network is to do.
public struct OwnServer: Equatable, Sendable {
  /// Where containers ask it, addresses of the network's bridge.
  public var addresses: [IPAddress]
  public var domain: HostName?
  /// `DnsmasqConfig.upstreams`.
  public var upstreams: [IPAddress]

  public init(addresses: [IPAddress], domain: HostName?, upstreams: [IPAddress]) {
    self.addresses = addresses
    self.domain = domain
    self.upstreams = upstreams
  }

  /// Where Debian and others have the program; `nil` where it is not installed.
  public static func program() -> String? {
    let directories =
      (Environment["PATH"] ?? "").split(separator: ":").map(String.init)
      + ["/usr/sbin", "/usr/local/sbin", "/usr/bin", "/sbin"]
    return directories.lazy.filter { $0.hasPrefix("/") }.map { "\($0)/\(DnsmasqProcess.name)" }.first(
      where: Files.exists)
  }
}

/// A network's own dnsmasq as a process: its files `.dnsmasq.conf` and `.dnsmasq.pid` beside the network's attachments.
///
/// Everything here happens under the network's lock. The configuration is there before the process and as long as it.
struct DnsmasqProcess {
  let directory: String

  static let name = "dnsmasq"
  private static let port: UInt16 = 53
  private static let secondsToStart = 20

  var configFile: String { "\(directory)/.dnsmasq.conf" }
  var pidFile: String { "\(directory)/.dnsmasq.pid" }
  private var argument: String { "--conf-file=\(configFile)" }

  /// What it was started with; `nil` where none was.
  func config() throws(KernelError) -> String? {
    try text(configFile)
  }

  func write(_ config: String) throws(KernelError) {
    try StateFile.replace(configFile, with: Array(config.utf8))
  }

  /// `nil` also for what is no regular file.
  private func text(_ path: String) throws(KernelError) -> String? {
    do throws(KernelError) {
      return try StateFile.read(path).map { String(decoding: $0, as: UTF8.self) }
    } catch {
      if error.isBrokenState { return nil }
      throw error
    }
  }

  /// The process: identified by its pid file, program, arguments and network namespace.
  func running() throws(KernelError) -> RunningProgram? {
    guard let text = try text(pidFile), let number = Int32(text.filter { !$0.isWhitespace }) else { return nil }
    return try RunningProgram.find(number, named: Self.name, with: argument)
  }

  /// Starts it; dnsmasq goes into the background by itself, once it listens.
  ///
  /// - Throws: EPROTO with its own words where it refused, otherwise what kept it from being run.
  func start(_ program: String) throws(KernelError) {
    // Not the runtime's environment: it may hold secrets and outlives the runtime in the process.
    let outcome = try ChildProcess.run(
      program, [argument], environment: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], input: [],
      seconds: Self.secondsToStart)
    guard outcome.status != 0 else { return }
    let words = String(decoding: outcome.errors, as: UTF8.self).split(separator: "\n").last.map(String.init)
    throw KernelError("start \(program)", errno: .EPROTO, reason: words ?? "it ended with status \(outcome.status)")
  }

  /// Ends it, and what a killed ADD started that has not written its pid yet; then forgets it.
  func end() throws(KernelError) {
    let unfinished = StateFile.unfinished(configFile)
    var isThere = false
    for file in [configFile, pidFile, unfinished] where try Files.statusOfLink(file) != nil { isThere = true }
    guard isThere else { return }
    if let server = try running() { try server.end() } else { try endStrays() }
    for file in [pidFile, unfinished, configFile] { try StateFile.remove(file) }
  }

  /// Looks through all processes until none is left: one that is starting forks.
  func endStrays() throws(KernelError) {
    for _ in 0..<20 {
      let numbers = try RunningProgram.numbers(named: Self.name, with: argument)
      if numbers.isEmpty { return }
      for number in numbers { try RunningProgram.find(number, named: Self.name, with: argument)?.end() }
    }
    throw KernelError("end dnsmasq", errno: .EBUSY, reason: "processes with \(argument) are started all the time")
  }

  /// Those of the addresses at which this very process answers.
  func listening(_ server: borrowing RunningProgram, at addresses: [IPAddress]) throws(KernelError) -> [IPAddress] {
    let open = try server.openFiles()
    func table(_ name: String) throws(KernelError) -> SocketTable {
      let bytes = try Files.readIfPresent("/proc/\(server.number)/net/\(name)") ?? []
      return SocketTable(String(decoding: bytes, as: UTF8.self))
    }
    let (v4, v6) = (try table("udp"), try table("udp6"))
    return addresses.filter { address in
      (address.family == .v4 ? v4 : v6).inodes(boundTo: address, port: Self.port)
        .contains { open.contains("socket:[\($0)]") }
    }
  }
}

extension KernelError {
  /// Of starting a program: it did not want to, may not be run, or is none; all else may be otherwise the next time.
  var saysRefused: Bool { errno.isOne(of: .EPROTO, .ENOENT, .EACCES, .EPERM, .ENOEXEC) }
}
