import CNI
import HostFilter
import Linux
import NetTypes
import PacketFilter
import Testing

/// Files of the wrong kind in place of rule set files, of the lock and of directories.
@Suite struct BrokenRuleSetTests {
  private let host: FilterHost
  private let owner: AttachmentID
  private var directory: String { "\(host.state)/filter/net" }

  init() throws {
    host = try FilterHost()
    owner = try HostFilterTests.owner("c1")
  }

  private static let entries = [
    "rm PATH; mkdir PATH", "rm PATH; mkdir -p PATH/sub; touch PATH/sub/file", "rm PATH; mkfifo PATH",
    "rm PATH; ln -s STATE/target PATH", "rm PATH; ln -s PATH PATH", ": > PATH", "echo '[1]' > PATH",
  ]

  /// Runs a script that replaces the owner's rule set file.
  private func replaceFile(_ script: String) throws {
    let name = try #require(try Files.list(directory)?.first { !SetAside.isAsideName($0) })
    try shell(script.replacing("PATH", with: "\(directory)/\(name)").replacing("STATE", with: host.state))
  }

  private func shell(_ script: String) throws {
    _ = try ChildProcess.run(
      "/bin/sh", ["-ec", script], environment: ["PATH=/usr/bin:/bin"], input: [], seconds: 10)
  }

  @Test(arguments: entries)
  func `an invalid rule set file blocks neither DEL nor ADD, and GC removes it`(script: String) throws {
    var filter = host.filter
    for _ in 1...2 {
      try filter.add(HostFilterTests.ruleSet("c1"))
      try replaceFile(script)
      for _ in 1...2 { try filter.remove(owner, .ports, everywhere: false) }
      #expect(host.nftables.ruleSets == [])
    }
    try filter.add(HostFilterTests.ruleSet("c1"))
    try replaceFile(script)
    #expect(try filter.ruleSet(of: owner, .ports) == nil)
    #expect(try filter.ruleSets(of: owner.network) == [])
    try filter.add(HostFilterTests.ruleSet("c1"))
    #expect(host.nftables.ruleSets.count == 1)
    #expect(try filter.ruleSet(of: owner, .ports) != nil)
    try filter.remove(owner, .ports, everywhere: false)
    try filter.collectGarbage(owner.network, .ports, valid: [], everywhere: false)
    #expect(try Files.list("\(host.state)/filter") == [])
    #expect(!Files.exists("\(host.state)/target"))
  }

  @Test func `a rule set file with another owner is ignored, and that owner's rules stay`() throws {
    var filter = host.filter
    try filter.add(HostFilterTests.ruleSet("c1"))
    try replaceFile("sed -i s/c1/c2/ PATH")
    try filter.add(HostFilterTests.ruleSet("c2"))
    #expect(try filter.ruleSet(of: owner, .ports) == nil)
    #expect(try filter.ruleSets(of: owner.network).map(\.owner) == [HostFilterTests.owner("c2")])
    try filter.remove(owner, .ports, everywhere: false)
    #expect(host.nftables.ruleSets.map(\.owner) == [try HostFilterTests.owner("c2")])
  }

  @Test(arguments: ["mkdir PATH", "mkfifo PATH", "ln -s STATE/target PATH", "ln -s PATH PATH"])
  func `the lock is taken whatever kind of file is in its place`(script: String) throws {
    let path = "\(host.state)/filter.lock"
    try shell(script.replacing("PATH", with: path).replacing("STATE", with: host.state))
    var filter = host.filter, other = host.filter
    try filter.lock()
    filter.unlock()
    try other.lock()
    #expect(!Files.exists("\(host.state)/target"))
  }

  @Test(arguments: ["filter", "filter/net"], ["touch PATH", "ln -s TARGET PATH", "mkfifo PATH"])
  func `a file in place of a directory is set aside, and no symbolic link is followed`(name: String, script: String)
    throws
  {
    let path = "\(host.state)/\(name)"
    try shell("mkdir -p $(dirname \(path)) \(host.state)/target")
    try shell(script.replacing("PATH", with: path).replacing("TARGET", with: "\(host.state)/target"))
    var filter = host.filter
    try filter.remove(owner, .ports, everywhere: true)
    #expect(try filter.networks() == [])
    try filter.add(HostFilterTests.ruleSet("c1"))
    #expect(try filter.ruleSet(of: owner, .ports) != nil)
    #expect(try Files.list("\(host.state)/target") == [])
  }
}
