import Linux
import Testing
@testable import Names

/// Containers with a hosts file that temporarily cannot be written.
struct UnwritableHostsFileTests {
  /// A file that the kernel refuses to write with EIO, even for root.
  private func unwritable() throws -> FileReference {
    let status = try #require(try Files.status("/proc/version"))
    return FileReference(path: "/proc/version", device: status.device, inode: status.inode)
  }

  /// Replaces a container's hosts file, and returns the previous one.
  @discardableResult
  private func swap(_ net: Net, _ number: Int, for file: FileReference) throws -> FileReference {
    var member = try #require(try net.state.member(net.owner(number)))
    let before = try #require(member.hosts)
    member.hosts = file
    try net.state.put(member)
    return before
  }

  @Test func `containers can join while another container's hosts file is not writable, which is updated later`() throws
  {
    try Net.use { net in
      for number in 1...2 { try net.join(number) }
      let own = try swap(net, 1, for: unwritable())
      try net.join(3)
      try net.leave(2)
      #expect(net.live(3) == ["10.3.0.3\tc3", net.line(1), net.line(3)])
      #expect(try net.state.member(net.owner(1))?.overdue == [net.line(2)])
      // CHECK of the container itself reports the missing line; CHECK of the others ignores its file.
      #expect(try net.differences(1).contains { $0.contains("/proc/version lacks the line \"10.3.0.3 n3\"") })
      #expect(try net.differences(3) == [])

      try swap(net, 1, for: own)
      #expect(net.live(1) == ["10.3.0.1\tc1", net.line(1), net.line(2)])
      try net.join(4)
      #expect(Set(net.live(1)) == ["10.3.0.1\tc1", net.line(1), net.line(3), net.line(4)])
      #expect(net.live(1).count == 4)
      #expect(try net.state.member(net.owner(1))?.overdue == nil)
      for number in [1, 3, 4] { #expect(try net.differences(number) == []) }
    }
  }

  @Test func `a container that left and joined again while a file was not writable has one line in it`() throws {
    try Net.use { net in
      for number in 1...2 { try net.join(number) }
      let own = try swap(net, 1, for: unwritable())
      try net.leave(2)
      try net.join(2)
      try swap(net, 1, for: own)
      try net.join(3)
      try net.leave(3)
      #expect(net.live(1) == ["10.3.0.1\tc1", net.line(1), net.line(2)])
      #expect(try net.differences(1) == [])
    }
  }

  @Test func `a container that leaves also updates files that were not writable before`() throws {
    try Net.use { net in
      for number in 1...3 { try net.join(number) }
      let own = try swap(net, 1, for: unwritable())
      try net.join(4)
      try net.leave(2)
      try swap(net, 1, for: own)
      try net.leave(3)
      #expect(net.live(1) == ["10.3.0.1\tc1", net.line(1), net.line(4)])
    }
  }
}
