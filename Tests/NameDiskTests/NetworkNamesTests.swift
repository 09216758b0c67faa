import CNI
import Foundation
import NetTypes
import Testing
@testable import Names

struct NetworkNamesTests {
  @Test func `hosts files get a container's line when it joins and lose it when it leaves`() throws {
    try Net.use { net in
      for number in 1...3 { try net.join(number) }
      for number in 1...3 {
        #expect(
          net.live(number).sorted() == (["\(net.address(number))\tc\(number)"] + (1...3).map { net.line($0) }).sorted())
        #expect(try net.differences(number) == [])
      }
      let inode = try Self.inode(net.hostsPath(1))
      try net.leave(2)
      #expect(net.hosts(2) == nil)
      #expect(!tree("\(net.directory)/files").contains("c2"))
      #expect(net.live(1) == ["10.3.0.1\tc1", net.line(1), net.line(3)])
      #expect(try Self.inode(net.hostsPath(1)) == inode)
      for number in [3, 1, 1] { try net.leave(number) }
      #expect(Set(net.snapshot().keys) == ["state", "state/.files", "state/net"])
    }
  }

  @Test func `the hosts file has the format of Docker`() throws {
    try Net.use { net in
      try net.join(1, extra: ["192.0.2.9\tdb"])
      try net.join(2)
      #expect(
        net.hosts(1) == """
          10.3.0.1\tc1
          127.0.0.1\tlocalhost
          ::1\tlocalhost ip6-localhost ip6-loopback
          fe00::0\tip6-localnet
          ff00::0\tip6-mcastprefix
          ff02::1\tip6-allnodes
          ff02::2\tip6-allrouters
          192.0.2.9\tdb
          10.3.0.1\tn1
          10.3.0.2\tn2

          """)
      let permissions = try FileManager.default.attributesOfItem(atPath: net.hostsPath(1))[.posixPermissions]
      #expect(permissions as? Int == 0o644)
    }
  }

  @Test func `a container on two networks has one hosts file with the names of both`() throws {
    try Net.use { net in
      try net.join(1, on: "net")
      try net.join(2, on: "net")
      try net.join(3, on: "other")
      try net.join(2, on: "other")
      #expect(
        net.live(2) == [
          "10.3.0.2\tc2", net.line(1), net.line(2), net.line(3, on: "other"), net.line(2, on: "other"),
        ])
      #expect(net.live(1) == ["10.3.0.1\tc1", net.line(1), net.line(2)])
      #expect(net.live(3) == ["10.5.0.3\tc3", net.line(3, on: "other"), net.line(2, on: "other")])
      try net.join(4, on: "other")
      #expect(net.live(2).contains(net.line(4, on: "other")))
      #expect(!net.live(1).contains(net.line(4, on: "other")))
      try net.leave(2, on: "net")
      #expect(net.live(2) == [net.line(3, on: "other"), net.line(2, on: "other"), net.line(4, on: "other")])
      #expect(net.live(1) == ["10.3.0.1\tc1", net.line(1)])
      try net.leave(2, on: "other")
      #expect(net.hosts(2) == nil)
      #expect(net.live(3) == ["10.5.0.3\tc3", net.line(3, on: "other"), net.line(4, on: "other")])
    }
  }

  @Test func `if two containers share a name, the line of the one that stays remains`() throws {
    try Net.use { net in
      try net.join(1)
      for number in 2...3 { try net.join(number, as: "web") }
      #expect(net.live(1).filter { $0.hasSuffix("web") } == ["10.3.0.2\tweb", "10.3.0.3\tweb"])
      try net.leave(2)
      #expect(net.live(1).filter { $0.hasSuffix("web") } == ["10.3.0.3\tweb"])
      #expect(try net.differences(3, as: "web") == [])
    }
  }

  @Test func `an existing hosts file keeps its own lines`() throws {
    try Net.use { net in
      let before = "127.0.0.1 localhost\n# mine\n192.0.2.1\tgateway"
      try Self.put(before, at: net.hostsPath(1))
      let inode = try Self.inode(net.hostsPath(1))
      try net.join(1)
      try net.join(2)
      #expect(net.hosts(1) == before + "\n10.3.0.1\tc1\n10.3.0.1\tn1\n10.3.0.2\tn2\n")
      try net.leave(2)
      try net.leave(1)
      #expect(net.live(1) == ["127.0.0.1 localhost", "192.0.2.1\tgateway"])
      #expect(net.hosts(1)?.hasPrefix(before) == true)
      #expect(try Self.inode(net.hostsPath(1)) == inode)
    }
  }

  @Test func `a line that was edited is left unchanged`() throws {
    try Net.use { net in
      for number in 1...2 { try net.join(number) }
      let text = try #require(net.hosts(1)).replacing(net.line(2), with: "10.3.0.2\tn2 mine")
      let handle = try #require(FileHandle(forWritingAtPath: net.hostsPath(1)))
      try handle.write(contentsOf: Data(text.utf8))
      try handle.close()
      #expect(try net.differences(1) == ["\(net.hostsPath(1)) lacks the line \"10.3.0.2 n2\""])
      #expect(try net.differences(2) == [])
      try net.leave(2)
      #expect(net.live(1).last == "10.3.0.2\tn2 mine")
    }
  }

  @Test func `a file that replaced the hosts file is left unchanged`() throws {
    try Net.use { net in
      for number in 1...2 { try net.join(number) }
      // Created before the old file is removed: otherwise it may get the same inode.
      try Self.put("mine\n", at: "\(net.directory)/mine")
      try FileManager.default.removeItem(atPath: net.hostsPath(1))
      try FileManager.default.moveItem(atPath: "\(net.directory)/mine", toPath: net.hostsPath(1))
      try net.join(3)
      #expect(try net.differences(1) == ["\(net.hostsPath(1)) was removed or replaced"])
      for number in 1...3 { try net.leave(number) }
      #expect(net.hosts(1) == "mine\n")
      #expect(try net.state.members(of: net.owner(1).network) == [])
    }
  }

  @Test(arguments: ["link", "fifo", "directory"])
  func `a hosts file that is not a regular file is neither read nor written`(kind: String) throws {
    try Net.use { net in
      let path = net.hostsPath(1)
      try FileManager.default.createDirectory(atPath: "\(net.directory)/files/c1", withIntermediateDirectories: true)
      try Self.put("theirs\n", at: "\(net.directory)/theirs")
      switch kind {
      case "link":
        try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "\(net.directory)/theirs")
      case "fifo": #expect(unsafe mkfifo(path, 0o600) == 0)
      default: try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
      }
      let before = net.snapshot()
      #expect(throws: KernelError.self) { try net.join(1) }
      #expect(net.snapshot().filter { !$0.key.hasPrefix("state") } == before)
      #expect(try net.state.members(of: net.owner(1).network) == [])
    }
  }

  @Test func `containers can join and leave if the hosts file of another container is gone`() throws {
    try Net.use { net in
      for number in 1...2 { try net.join(number) }
      try FileManager.default.removeItem(atPath: "\(net.directory)/files/c1")
      try net.join(3)
      try net.leave(2)
      try net.leave(1)
      #expect(net.live(3) == ["10.3.0.3\tc3", net.line(3)])
    }
  }

  @Test func `containers can join and leave despite a broken state file`() throws {
    try Net.use { net in
      for number in 1...2 { try net.join(number) }
      try Self.put("{", at: "\(net.directory)/state/net/c1:eth-0.json")
      try net.join(3)
      try net.leave(1)
      #expect(try net.state.members(of: net.owner(1).network).count == 2)
      #expect(net.hosts(1) == nil)
    }
  }

  @Test func `GC removes only invalid attachments`() throws {
    try Net.use { net in
      for number in 1...4 { try net.join(number) }
      try net.join(1, on: "other")
      let owner = try net.owner(2)
      guard let names = try NetworkNames.lock(owner.network, in: net.state, createIfMissing: false) else {
        throw NoNetwork()
      }
      #expect(try names.removeAll(except: [owner]) == [])
      #expect(net.live(2) == ["10.3.0.2\tc2", net.line(2)])
      #expect([3, 4].map(net.hosts) == [nil, nil])
      #expect(net.live(1) == [net.line(1, on: "other")])
    }
  }

  static func inode(_ path: String) throws -> Int? {
    try FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? Int
  }

  static func put(_ text: String, at path: String) throws {
    let url = URL(filePath: path)
    try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: url)
  }
}
