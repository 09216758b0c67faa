import CNI
import Glibc
import Linux
public import NetTypes

/// The settings of the dnsmasq that `dns-hosts` runs for a network.
public struct DnsmasqSettings: Equatable, Sendable {
  /// The addresses on which it listens: addresses of the network's bridge.
  public var addresses: [IPAddress]
  public var domain: HostName?
  /// `DnsmasqConfig.upstreams`.
  public var upstreams: [IPAddress]

  public init(addresses: [IPAddress], domain: HostName?, upstreams: [IPAddress]) {
    self.addresses = addresses
    self.domain = domain
    self.upstreams = upstreams
  }

  /// The path of the dnsmasq program; `nil` if it is not installed.
  public static func program() -> String? { DaemonProcess.program(DnsmasqProcess.name) }
}

/// A network's own dnsmasq as a process: its files `.dnsmasq.conf` and `.dnsmasq.pid` beside the network's attachments.
///
/// Every function is called under the network's lock. The configuration file is written before the process starts and
/// removed after it ends.
struct DnsmasqProcess {
  let directory: String

  static let name = "dnsmasq"
  private static let port: UInt16 = 53

  var configFile: String { "\(directory)/.dnsmasq.conf" }
  var pidFile: String { "\(directory)/.dnsmasq.pid" }
  private var daemon: DaemonProcess { DaemonProcess(Self.name, with: "--conf-file=\(configFile)") }

  /// The configuration with which it was started; `nil` if it was not.
  func config() throws(KernelError) -> String? {
    try text(configFile)
  }

  func write(_ config: String) throws(KernelError) {
    try StateFile.replace(configFile, with: Array(config.utf8))
  }

  /// The file's text; `nil` if it does not exist or is not a regular file.
  private func text(_ path: String) throws(KernelError) -> String? {
    do throws(KernelError) {
      return try StateFile.read(path).map { String(decoding: $0, as: UTF8.self) }
    } catch {
      if error.isBrokenState { return nil }
      throw error
    }
  }

  /// The process: identified by its pid file, program, arguments and network namespace.
  func running() throws(KernelError) -> ProcessHandle? {
    guard let text = try text(pidFile), let number = Int32(text.filter { !$0.isWhitespace }) else { return nil }
    return try daemon.find(number)
  }

  /// Starts dnsmasq, which goes into the background by itself once it listens.
  ///
  /// - Throws: EPROTO with dnsmasq's message if it refused to start, otherwise why it could not be run.
  func start(_ program: String) throws(KernelError) { try daemon.start(program, [daemon.argument]) }

  /// Ends dnsmasq, also one that a killed ADD started and that has no pid file yet; then removes its files.
  func end() throws(KernelError) {
    let unfinished = StateFile.unfinished(configFile)
    var isThere = false
    for file in [configFile, pidFile, unfinished] where try Files.statusOfLink(file) != nil { isThere = true }
    guard isThere else { return }
    if let server = try running() { try server.end() } else { try endStrays() }
    for file in [pidFile, unfinished, configFile] { try StateFile.remove(file) }
  }

  /// Ends all dnsmasq processes with our configuration file.
  func endStrays() throws(KernelError) { try daemon.endAll() }

  /// The ones of `addresses` on which this process listens, by its sockets in `/proc/PID/net/udp` and `udp6`.
  func listening(_ server: borrowing ProcessHandle, at addresses: [IPAddress]) throws(KernelError) -> [IPAddress] {
    let open = try server.openFiles()
    func table(_ name: String) throws(KernelError) -> SocketTable {
      let bytes = try Files.readIfPresent("/proc/\(server.pid)/net/\(name)") ?? []
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
  /// Whether a program refused to start, may not be run or is not executable; other errors may pass.
  var isStartRefused: Bool { errno.isOne(of: .EPROTO, .ENOENT, .EACCES, .EPERM, .ENOEXEC) }
}
