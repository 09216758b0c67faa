import BaseSupport
import CNI
import Foundation
import Names
import NetTypes
import Testing

struct StateDirectoryTests {
  @Test func `a stored member can be read back, and its removal leaves no file`() throws {
    try inTemporaryDirectory { directory in
      let state = StateDirectory(directory)
      let member = try Self.member("c1")
      #expect(try state.members(of: member.owner.network) == [])
      try state.put(member)
      #expect(try state.member(member.owner) == member)
      #expect(try state.members(of: member.owner.network) == [member])
      #expect(tree(directory) == ["net", "net/c1:eth0.json"])
      try state.remove(member.owner)
      try state.remove(member.owner)
      #expect(try state.member(member.owner) == nil)
      #expect(tree(directory) == ["net"])
    }
  }

  @Test func `an empty container record is removed`() throws {
    try inTemporaryDirectory { directory in
      let state = StateDirectory(directory)
      let owner = try Self.member("c1").owner
      let file = FileReference(path: "/etc/netns/c1/hosts", device: .max, inode: 7)
      let record = ContainerRecord(files: [
        .init(
          file, createdPath: ContainerPath(base: "/etc/netns", below: ["c1", "hosts"], key: "files"),
          createdDirectories: ["/etc/netns"], holders: [.init(owner)])
      ])
      try state.put(record, of: owner.container)
      #expect(try state.record(of: owner.container) == record)
      try state.put(ContainerRecord(), of: owner.container)
      #expect(try state.record(of: owner.container) == ContainerRecord())
      #expect(tree(directory) == [".files"])
    }
  }

  @Test func `a broken member file does not prevent reading other members`() throws {
    try inTemporaryDirectory { directory in
      let state = StateDirectory(directory)
      let member = try Self.member("c1")
      try state.put(member)
      try Data("{".utf8).write(to: URL(filePath: "\(directory)/net/c2:eth0.json"))
      #expect(try state.members(of: member.owner.network) == [member])
      #expect(throws: KernelError.self) { try state.member(Self.member("c2").owner) }
    }
  }

  @Test func `a container ID of any length can be stored`() throws {
    try inTemporaryDirectory { directory in
      let state = StateDirectory(directory)
      let members = try ["a", "b"].map { try Self.member(String(repeating: "x", count: 300) + $0) }
      for member in members { try state.put(member) }
      #expect(try state.members(of: members[0].owner.network).count == 2)
    }
  }

  static func member(_ container: String) throws -> Member {
    let owner = AttachmentID(
      network: try #require(NetworkName("net")), container: try #require(ContainerID(container)),
      interface: try #require(InterfaceName("eth0")))
    return Member(
      owner: owner, addresses: [try #require(IPAddress("10.1.0.2"))], names: [try #require(HostName("web"))],
      hosts: FileReference(path: "/tmp/hosts", device: 1, inode: 2), privateLines: ["10.1.0.2\tc1"])
  }
}
