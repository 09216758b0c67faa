import CNI
import Glibc
import Linux
import NetTypes
import PacketFilter

/// The haproxy of a service of a network, and its files `NETWORK/SERVICE.cfg` and `.pid` and `HASH.sock`.
///
/// Every function that changes something is called under the packet filter's lock. The configuration file is written before
/// the process starts and removed after it ends.
struct HaproxyProcess {
  static let name = "haproxy"

  private let directory: String
  private let network: NetworkName
  private let service: String

  private static let secondsToAnswer = 5

  /// - Parameters:
  ///   - service: the service's name.
  ///   - network: the network.
  ///   - directory: the directory of the files of all networks.
  init(_ service: String, of network: NetworkName, in directory: String) {
    self.directory = directory
    self.network = network
    self.service = service
  }

  /// The network's directory.
  static func directory(of network: NetworkName, in directory: String) -> String { "\(directory)/\(network)" }

  /// The services of a network that have files, also one that a killed process did not complete.
  static func services(of network: NetworkName, in directory: String) throws(KernelError) -> Set<String> {
    // A service's name has no dot.
    Set(try (Files.list(Self.directory(of: network, in: directory)) ?? []).map { String($0.prefix { $0 != "." }) })
  }

  private var ownDirectory: String { Self.directory(of: network, in: directory) }
  private var configFile: String { "\(ownDirectory)/\(service).cfg" }
  private var pidFile: String { "\(ownDirectory)/\(service).pid" }
  /// Short: the path of a Unix socket has at most 107 bytes, and haproxy adds some for a moment.
  private var socketName: String { "\(AttachmentID.shortHash("\(network) \(service)")).sock" }
  private var socket: String { "\(directory)/\(socketName)" }
  private var daemon: DaemonProcess { DaemonProcess(Self.name, with: configFile) }

  /// The shell line that starts it.
  var command: String { "\(Self.name) -D -f \(configFile)" }

  /// The process that listens; `nil` if it does not run.
  private func running() throws(KernelError) -> ProcessHandle? {
    guard let bytes = try Files.state(pidFile).bytes,
      let pid = Int32(String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace })
    else { return nil }
    return try daemon.find(pid)
  }

  /// The slots of the running process; `nil` if it does not run or does not answer.
  func state() throws(KernelError) -> HaproxyState? {
    guard try running() != nil, let answer = try ask("show servers state") else { return nil }
    return HaproxyState(answer)
  }

  /// The answer to a line of commands; `nil` from a process that has to be replaced.
  private func ask(_ commands: String) throws(KernelError) -> String? {
    do throws(KernelError) {
      return try LocalSocket.ask(socket, "\(commands)\n", seconds: Self.secondsToAnswer)
    } catch  where error.errno.isOne(of: .ENOENT, .ECONNREFUSED, .ECONNRESET, .EPIPE, .ETIMEDOUT) { return nil }
  }

  /// Makes the process serve these members: starts it for the first ones, and ends it without any.
  func update(_ members: [BackEnd]) throws(KernelError) {
    guard !members.isEmpty else { return try end() }
    let state = try state()
    let config = HaproxyConfig(
      "swift-cni: service \(service) of network \(network)", members, present: state?.slots ?? [:])
    try write(config)
    if let state, state.hasShape(of: config), try change(state, to: config) { return }
    // One that does not answer would go on to take connections.
    if state == nil { try running()?.end() }
    try start(replacing: state != nil)
    let deadline = Clock.now.advanced(bySeconds: Self.secondsToAnswer)
    while try self.state()?.isUpToDate(config) != true {
      guard Clock.now < deadline, try running() != nil else {
        throw KernelError(
          "start haproxy for service \(service)", errno: .EPROTO, reason: "it does not have the members of the service")
      }
      // The earlier process shares the socket until it has read its signal.
      Clock.sleep(milliseconds: 5)
    }
  }

  private func write(_ config: HaproxyConfig) throws(KernelError) {
    for directory in [directory, ownDirectory] {
      try SetAside.makeDirectory(directory, mode: 0o700)
    }
    // A killed process leaves no file under another name.
    try Files.remove(configFile)
    try Files.create("\(service).cfg", in: ownDirectory, Array(config.text(pidFile: pidFile, socket: socket).utf8))
  }

  /// Gives the slots their members while the process runs.
  ///
  /// - Returns: whether it took all commands; its answers are text for people, so the state is read again.
  private func change(_ state: HaproxyState, to config: HaproxyConfig) throws(KernelError) -> Bool {
    var commands = state.commands(for: config)[...]
    while !commands.isEmpty {
      // A line that is longer than haproxy's buffer of 16 KiB is refused.
      _ = try ask(commands.prefix(50).joined(separator: "; "))
      commands = commands.dropFirst(50)
    }
    return try self.state()?.isUpToDate(config) == true
  }

  /// Starts a process with the configuration file; earlier ones stop to listen, and end with their last connection.
  ///
  /// - Parameter replacing: whether the new process takes over the listening sockets, so that no connection is refused.
  /// - Throws: EPROTO with haproxy's message if it refuses to start.
  private func start(replacing: Bool) throws(KernelError) {
    guard let program = DaemonProcess.program(Self.name) else {
      throw KernelError("start haproxy for service \(service)", errno: .ENOENT, reason: "it is not installed")
    }
    let earlier = try daemon.pids()
    let takeover = replacing ? ["-x", socket] : []
    let replaced = earlier.isEmpty ? [] : ["-sf"] + earlier.map { "\($0)" }
    try daemon.start(program, ["-D", "-f", configFile] + takeover + replaced) { lines in
      // The first alert says why; the last one, that it does not start.
      lines.first { $0.hasPrefix("[ALERT]") } ?? lines.last
    }
  }

  /// Ends the process and those before it, whose connections lead to containers that are gone; then removes the files.
  private func end() throws(KernelError) {
    try daemon.endAll()
    try removeFiles(beginningWith: socketName, in: directory)
    try removeFiles(beginningWith: "\(service).", in: ownDirectory)
    try Files.removeEmptyDirectory(directory)
  }

  /// Removes also files that a killed process did not complete, and the directory if it is empty.
  private func removeFiles(beginningWith start: String, in directory: String) throws(KernelError) {
    for name in try Files.list(directory) ?? [] where name.hasPrefix(start) {
      try Files.removeTree("\(directory)/\(name)")
    }
    try Files.removeEmptyDirectory(directory)
  }
}
