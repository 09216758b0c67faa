import CNI
import Glibc
import Linux
import NetTypes

/// The file from which a name server on this host reads one attachment, or all attachments on other hosts.
///
/// Every file is written under a temporary name and then renamed, so that a reader sees the old text or the new one.
struct ServerFiles {
  let target: NameServerTarget
  private let lines: [String]
  /// A name that dnsmasq does not skip as a backup or temporary file.
  private let fileName: String
  /// In a shared file each line ends with a comment that names its attachment; dnsmasq and CoreDNS skip it.
  private let mark: String
  private let state: StateDirectory
  private let warn: (String) -> Void

  /// The only program that gets SIGHUP.
  private static let program = "dnsmasq"
  private static let secondsToWait = 30

  init?(_ member: Member, in state: StateDirectory, warn: @escaping (String) -> Void) {
    guard let target = member.server else { return nil }
    self.target = target
    lines = member.serverLines
    fileName = "\(state.stem(member.owner.container)):\(member.owner.interface).hosts"
    mark = " # \(member.owner.network)/\(member.owner.container)/\(member.owner.interface)"
    self.state = state
    self.warn = warn
  }

  /// The file for all attachments on other hosts.
  init(
    _ remote: [RemoteMember], of network: NetworkName, at target: NameServerTarget, in state: StateDirectory,
    warn: @escaping (String) -> Void
  ) {
    self.target = target
    lines = remote.flatMap { $0.serverLines }
    // No container ID is empty, so this name belongs to no attachment.
    fileName = ":\(network).hosts"
    mark = " # \(network)//"
    self.state = state
    self.warn = warn
  }

  /// The file for services, or `lines` of it.
  init(
    services lines: [String], of network: NetworkName, at target: NameServerTarget, in state: StateDirectory,
    warn: @escaping (String) -> Void
  ) {
    self.target = target
    self.lines = lines
    fileName = ":\(network):services.hosts"
    mark = " # \(network)//services"
    self.state = state
    self.warn = warn
  }

  /// The file's path.
  var path: String {
    switch target {
    case .directory(let directory): "\(directory)/\(fileName)"
    case .file(let path, _): path
    }
  }

  /// The temporary name of a file; dnsmasq reads no file that begins with a dot.
  private static func unfinished(_ path: String) -> String {
    let (directory, name) = (path.lastIndex(of: "/").map { path[...$0] } ?? "", path.split(separator: "/").last ?? "")
    return "\(directory).\(name).tmp"
  }

  // MARK: changes

  func write() throws(KernelError) {
    switch target {
    case .directory(let directory):
      try Files.makeDirectories(directory)
      let text = Array(lines.map { $0 + "\n" }.joined().utf8)
      guard try !holds(text) else { return }
      try StateFile.replace(path, with: text, through: Self.unfinished(path))
    case .file(let path, let pidFile): try edit(path, pidFile, adding: markedLines)
    }
  }

  /// Removes the attachment's file or lines; no error if there are none.
  ///
  /// A shared file itself stays for its server.
  func remove() throws(KernelError) {
    switch target {
    case .directory:
      try StateFile.remove(Self.unfinished(path))
      try StateFile.remove(path)
    case .file(let path, let pidFile):
      guard try Files.status(path)?.isRegular == true else { return }
      try edit(path, pidFile, adding: [])
    }
  }

  /// Whether the file has that text already: then it is not written, so that no server reads it again.
  private func holds(_ text: [UInt8]) throws(KernelError) -> Bool {
    do throws(KernelError) { return try StateFile.read(path) == text } catch {
      if error.isBrokenState { return false }
      throw error
    }
  }

  private var markedLines: [String] { lines.map { $0 + mark } }

  private func edit(_ path: String, _ pidFile: String?, adding lines: [String]) throws(KernelError) {
    let lock = try StateFile.lock("\(state.path)/.locks/servers", seconds: Self.secondsToWait)
    defer { _ = lock }
    if let status = try Files.status(path), !status.isRegular {
      throw KernelError("read \(path)", errno: .EINVAL, reason: "want a regular file")
    }
    let before = try Files.readIfPresent(path) ?? []
    let mark = Array(mark.utf8)
    let newline = UInt8(ascii: "\n")
    let kept = before.split(separator: newline, omittingEmptySubsequences: false).filter { !$0.hasSuffix(mark) }
    var after = Array(kept.joined(separator: [newline]))
    if !after.isEmpty, after.last != newline { after.append(newline) }
    after += lines.flatMap { Array($0.utf8) + [newline] }
    guard after != before else { return }
    try Files.replace(path, with: after, through: Self.unfinished(path))
    if let pidFile { try sendSIGHUP(pidFile) }
  }

  /// Sends SIGHUP to dnsmasq; a server that does not run reads the file when it starts.
  private func sendSIGHUP(_ pidFile: String) throws(KernelError) {
    guard let bytes = try Files.readIfPresent(pidFile) else { return }
    let text = String(decoding: bytes, as: UTF8.self).split(whereSeparator: { $0.isWhitespace }).first
    guard let number = text.flatMap({ Int32($0) }), let server = try ProcessHandle.find(number, named: Self.program)
    else {
      warn("\(pidFile): no \(Self.program) has this process ID: no server reads the new \(path)")
      return
    }
    try server.signal(SIGHUP)
  }

  // MARK: looks

  /// How the file differs from what `write` wrote.
  func differences() throws(KernelError) -> [String] {
    guard case .directory = target, let current = try currentLines() else { return try missingLines() }
    return current == lines ? [] : ["\(path) was changed by another program"]
  }

  /// Which of the lines the file lacks.
  func missingLines() throws(KernelError) -> [String] {
    guard let current = try currentLines() else { return ["\(path) is missing"] }
    let wanted = if case .directory = target { lines } else { markedLines }
    return wanted.filter { !current.contains($0) }.map { "\(path) lacks the line \"\($0)\"" }
  }

  private func currentLines() throws(KernelError) -> [String]? {
    try Files.readIfPresent(path)?.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
  }
}

extension ArraySlice<UInt8> {
  fileprivate func hasSuffix(_ suffix: [UInt8]) -> Bool { self.suffix(suffix.count).elementsEqual(suffix) }
}
