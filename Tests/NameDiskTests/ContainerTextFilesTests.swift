import BaseSupport
import CNI
import Foundation
import Linux
import Names
import NetTypes
import Synchronization
import Testing

@Suite struct LiveTextsTests {
  /// One directory with state, the host's resolv.conf and the containers' files.
  struct Bench {
    let path: String
    var warnings: [String] { notes.texts }
    private let notes = Notes()

    final class Notes: Sendable {
      private let kept = Mutex<[String]>([])
      var texts: [String] { kept.withLock { $0 } }
      func add(_ text: String) { kept.withLock { $0.append(text) } }
    }

    init(_ path: String) throws {
      self.path = path
      try FileManager.default.createDirectory(atPath: "\(path)/state/.locks", withIntermediateDirectories: true)
      try host("nameserver 10.0.0.1\noptions rotate\n")
    }

    func host(_ text: String) throws { try Data(text.utf8).write(to: URL(fileURLWithPath: "\(path)/host")) }

    func texts(failingAt step: Int = .max) -> ContainerTextFiles {
      let count = Notes()
      return ContainerTextFiles(
        StateDirectory("\(path)/state"), host: HostResolvConf(path: "\(path)/host", upstreamPath: "\(path)/none"),
        warn: notes.add
      ) { (what) throws(KernelError) in
        count.add(what)
        if count.texts.count == step { throw KernelError(what, errno: .EIO, reason: "as the test wants it") }
      }
    }

    let file = "resolv.conf"
    var resolvConf: ContainerPath { ContainerPath(base: "\(path)/files", below: ["c1", file], key: "resolvConf") }

    func owner(_ network: String) throws -> AttachmentID {
      try AttachmentID(
        network: #require(NetworkName(network)), container: #require(ContainerID("c1")),
        interface: #require(InterfaceName("eth0")))
    }

    func add(_ network: String, _ servers: [String], failingAt step: Int = .max) throws {
      let owner = try owner(network)
      let entries = PartialResolvConf(nameservers: servers.compactMap(IPAddress.init))
      try texts(failingAt: step).add(.resolvConf, at: resolvConf, for: owner, .init(owner, entries, hasIPv6: false))
    }

    func remove(_ network: String) throws -> [KernelError] { texts().remove(try owner(network)) }

    var text: String? {
      FileManager.default.contents(atPath: resolvConf.description).map { String(decoding: $0, as: UTF8.self) }
    }

    func edit(_ text: String) throws {
      let file = try FileHandle(forWritingTo: URL(fileURLWithPath: resolvConf.description))
      try file.truncate(atOffset: 0)
      try file.write(contentsOf: Data(text.utf8))
      try file.close()
    }
  }

  private func lines(_ servers: String...) -> String {
    ResolvConf.header + servers.map { "nameserver \($0)\n" }.joined() + "options rotate\n"
  }

  @Test func `the file combines the settings of all attachments and is removed with the last one`() throws {
    try inTemporaryDirectory { path in
      let bench = try Bench(path)
      try bench.add("red", ["10.1.0.1"])
      let inode = try Files.status(bench.resolvConf.description)?.inode
      try bench.add("blue", ["10.2.0.1"])
      #expect(bench.text == lines("10.1.0.1", "10.2.0.1"))
      try bench.add("blue", ["10.2.0.2"])
      #expect(bench.text == lines("10.1.0.1", "10.2.0.2"))
      #expect(try bench.texts().differences(of: bench.owner("blue")).isEmpty)
      #expect(try bench.remove("red").isEmpty)
      #expect(bench.text == lines("10.2.0.2"))
      #expect(try Files.status(bench.resolvConf.description)?.inode == inode)
      #expect(try bench.remove("red").isEmpty)
      #expect(try bench.remove("blue").isEmpty)
      #expect(try bench.remove("blue").isEmpty)
      #expect(tree(path) == ["host", "state", "state/.locks", "state/.locks/25", "state/.texts"])
      #expect(bench.warnings.isEmpty)
    }
  }

  @Test func `only a file copied from the host is updated from the host`() throws {
    try inTemporaryDirectory { path in
      let bench = try Bench(path)
      try bench.add("red", [])
      #expect(bench.text == lines("10.0.0.1"))
      #expect(try bench.texts().updateFromHost().written.isEmpty)
      try bench.host("nameserver 10.0.0.2\noptions rotate\n")
      #expect(try bench.texts().updateFromHost().written.map(\.description) == ["c1"])
      #expect(bench.text == lines("10.0.0.2"))
      try bench.add("blue", ["10.2.0.1"])
      try bench.host("nameserver 10.0.0.3\noptions rotate\n")
      #expect(try bench.texts().updateFromHost().written.isEmpty)
      #expect(bench.text == lines("10.2.0.1"))
    }
  }

  @Test func `a file that was edited is left unchanged and reported`() throws {
    try inTemporaryDirectory { path in
      let bench = try Bench(path)
      try bench.add("red", [])
      try bench.edit("nameserver 192.0.2.1\n")
      try bench.host("nameserver 10.0.0.2\n")
      #expect(try bench.texts().updateFromHost().written.isEmpty)
      try bench.add("blue", ["10.2.0.1"])
      #expect(bench.text == "nameserver 192.0.2.1\n")
      #expect(
        bench.warnings == Array(repeating: "\(bench.resolvConf): left alone: another program changed it", count: 2))
      #expect(
        try bench.texts().differences(of: bench.owner("red")) == ["\(bench.resolvConf) was changed by another program"])
      #expect(try bench.remove("red").isEmpty && bench.remove("blue").isEmpty)
      #expect(bench.text == nil)
    }
  }

  @Test func `a file that existed before stays unchanged`() throws {
    try inTemporaryDirectory { path in
      let bench = try Bench(path)
      try FileManager.default.createDirectory(atPath: "\(path)/files/c1", withIntermediateDirectories: true)
      try Data("nameserver 192.0.2.1\n".utf8).write(to: URL(fileURLWithPath: bench.resolvConf.description))
      try bench.add("red", [])
      #expect(bench.warnings == ["\(bench.resolvConf): left alone: another program wrote it"])
      #expect(try bench.remove("red").isEmpty)
      #expect(bench.text == "nameserver 192.0.2.1\n")
      // An empty file was created for us by the runtime: the plugin fills it and does not remove it.
      try bench.edit("")
      try bench.add("red", [])
      #expect(bench.text == lines("10.0.0.1"))
      #expect(try bench.remove("red").isEmpty)
      #expect(bench.text != nil)
    }
  }

  @Test(arguments: 1...5)
  func `an ADD that failed at any step can be undone or repeated`(step: Int) throws {
    try inTemporaryDirectory { path in
      let bench = try Bench(path)
      #expect(throws: KernelError.self) { try bench.add("red", [], failingAt: step) }
      #expect(try bench.remove("red").isEmpty)
      #expect(!tree(path).contains("files"))
      #expect(throws: KernelError.self) { try bench.add("red", [], failingAt: step) }
      try bench.add("red", [])
      #expect(bench.text == lines("10.0.0.1"))
      #expect(throws: KernelError.self) { try bench.add("blue", ["10.2.0.1"], failingAt: step) }
      #expect(try bench.remove("blue").isEmpty)
      #expect(bench.text == lines("10.0.0.1"))
      #expect(try bench.remove("red").isEmpty)
      #expect(!tree(path).contains("files"))
      #expect(bench.warnings.isEmpty)
    }
  }

  @Test func `GC removes the settings of invalid attachments`() throws {
    try inTemporaryDirectory { path in
      let bench = try Bench(path)
      try bench.add("red", ["10.1.0.1"])
      try bench.add("blue", ["10.2.0.1"])
      let red = try bench.owner("red")
      #expect(try bench.texts().removeAll(of: red.network, except: [red]).isEmpty)
      #expect(bench.text == lines("10.1.0.1", "10.2.0.1"))
      #expect(try bench.texts().removeAll(of: red.network, except: []).isEmpty)
      #expect(bench.text == lines("10.2.0.1"))
    }
  }

  @Test func `the hostname file contains the name`() throws {
    try inTemporaryDirectory { path in
      let bench = try Bench(path)
      let owner = try bench.owner("red")
      let file = ContainerPath(base: "\(path)/files", below: ["c1", "hostname"], key: "hostnameFile")
      let holder = ManagedTextFile.Holder(owner, PartialResolvConf(), hasIPv6: false)
      try bench.texts().add(.hostname, at: file, for: owner, holder, text: "web\n")
      #expect(FileManager.default.contents(atPath: file.description) == Data("web\n".utf8))
      #expect(bench.texts().remove(owner).isEmpty)
      #expect(!tree(path).contains("files"))
    }
  }
}
