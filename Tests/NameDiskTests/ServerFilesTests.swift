import Foundation
import Testing
@testable import Names

/// The files that a name server reads.
struct ServerFilesTests {
  private func files(
    _ number: Int, _ place: NameServerTarget, in net: Net, warn: @escaping (String) -> Void = { _ in }
  ) throws -> ServerFiles {
    var member = try net.member(number)
    member.server = place
    try FileManager.default.createDirectory(
      atPath: "\(net.directory)/state/.locks", withIntermediateDirectories: true)
    return try #require(ServerFiles(member, in: net.state, warn: warn))
  }

  @Test func `a shared file keeps foreign lines`() throws {
    try Net.use { net in
      let path = "\(net.directory)/hosts"
      let place = NameServerTarget.file(path, pidFile: nil)
      try Data("192.0.2.1 ours é # note".utf8 + [0xFF]).write(to: URL(filePath: path))
      let before = try Data(contentsOf: URL(filePath: path)) + Data("\n".utf8)
      let (first, second) = try (files(1, place, in: net), files(2, place, in: net))
      try first.write()
      try second.write()
      try second.write()
      #expect(try Data(contentsOf: URL(filePath: path)).starts(with: before))
      #expect(try first.differences() + second.differences() == [])
      try first.remove()
      #expect(try first.differences() == ["\(path) lacks the line \"10.3.0.1 n1 # net/c1/eth-0\""])
      #expect(try second.differences() == [])
      try second.remove()
      #expect(try Data(contentsOf: URL(filePath: path)) == before)
    }
  }

  @Test func `DEL also removes the temporary file, whose name dnsmasq skips`() throws {
    try Net.use { net in
      let place = NameServerTarget.directory("\(net.directory)/d")
      let first = try files(1, place, in: net)
      try first.write()
      #expect(tree("\(net.directory)/d") == ["c1:eth-0.hosts"])
      try Data().write(to: URL(filePath: "\(net.directory)/d/.c1:eth-0.hosts.tmp"))
      try first.remove()
      #expect(tree("\(net.directory)/d").isEmpty)
    }
  }

  /// Whether a process got SIGHUP: the signal is pending if the process inherited a blocking mask, or has ended it.
  private func isSignalled(_ process: Process) -> Bool {
    let status = try? String(contentsOfFile: "/proc/\(process.processIdentifier)/status", encoding: .utf8)
    if status?.contains("State:\tZ") ?? true { return true }
    let pending = status?.split(separator: "\n").first { $0.hasPrefix("ShdPnd:") }?.split(separator: "\t").last
    return pending.flatMap { UInt64($0, radix: 16) }.map { $0 & 1 == 1 } ?? true
  }

  @Test(arguments: [("dnsmasq", true), ("dnsmasq2", false)])
  func `only dnsmasq is signalled`(program: String, getsSignal: Bool) throws {
    try Net.use { net in
      try FileManager.default.copyItem(atPath: "/bin/sleep", toPath: "\(net.directory)/\(program)")
      let process = Process()
      process.executableURL = URL(filePath: "\(net.directory)/\(program)")
      process.arguments = ["60"]
      try process.run()
      defer {
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
      }
      let pidFile = "\(net.directory)/pid"
      try "\(process.processIdentifier)\n".write(toFile: pidFile, atomically: true, encoding: .utf8)
      var warnings: [String] = []
      let shared = NameServerTarget.file("\(net.directory)/hosts", pidFile: pidFile)
      try files(1, shared, in: net) { warnings.append($0) }.write()
      #expect(isSignalled(process) == getsSignal)
      #expect(warnings.count == (getsSignal ? 0 : 1))
    }
  }

  @Test(arguments: ["", "x", "0", "-1", "1", "999999999", "99999999999999999999"])
  func `a PID that is not dnsmasq's is reported and not signalled`(text: String) throws {
    try Net.use { net in
      let pidFile = "\(net.directory)/pid"
      try text.write(toFile: pidFile, atomically: true, encoding: .utf8)
      var warnings: [String] = []
      let shared = NameServerTarget.file("\(net.directory)/hosts", pidFile: pidFile)
      try files(1, shared, in: net) { warnings.append($0) }.write()
      #expect(
        warnings == ["\(pidFile): no dnsmasq has this process ID: no server reads the new \(net.directory)/hosts"])
    }
  }
}
