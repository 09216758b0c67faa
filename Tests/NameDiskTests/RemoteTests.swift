import CNI
import Foundation
import Linux
import NetTypes
import Testing
@testable import Names

/// Names of other hosts' containers in the hosts files of this host's containers.
struct RemoteTests {
  private func remote(_ number: Int, _ name: String) throws -> RemoteMember {
    RemoteMember(
      owner: AttachmentID(
        network: try #require(NetworkName("net")), container: try #require(ContainerID("r\(number)")),
        interface: try #require(InterfaceName("eth0"))),
      node: try #require(HostName("far")), addresses: [try #require(IPAddress("10.3.9.\(number)"))],
      names: [try #require(HostName(name))])
  }

  @discardableResult
  private func updateRemote(
    _ net: Net, _ remote: [RemoteMember],
    willChange: @escaping (String) throws(KernelError) -> Void = { _ throws(KernelError) in }
  ) throws -> Bool {
    let network = try net.owner(1).network
    guard let names = try NetworkNames.lock(network, in: net.state, createIfMissing: true, willChange: willChange)
    else { throw NoNetwork() }
    return try names.writeRemoteNames(remote)
  }

  private func files(_ net: Net) -> [String: [String]] { net.snapshot().filter { !$0.value.isEmpty } }

  @Test func `a hosts file that could not be written gets its lines with the next update, even without changes`() throws
  {
    try Net.use { net in
      for number in 1...2 { try net.join(number) }
      var member = try #require(try net.state.member(net.owner(1)))
      let own = member.hosts
      let status = try #require(try Files.status("/proc/version"))
      member.hosts = FileReference(path: "/proc/version", device: status.device, inode: status.inode)
      try net.state.put(member)
      try updateRemote(net, [remote(1, "web")])
      #expect(net.live(2).contains("10.3.9.1\tweb"))
      member = try #require(try net.state.member(net.owner(1)))
      #expect(member.overdue == [])
      member.hosts = own
      try net.state.put(member)
      for isChanged in [true, false] { #expect(try updateRemote(net, [remote(1, "web")]) == isChanged) }
      #expect(net.live(1).filter { $0.contains("10.3.9.") } == ["10.3.9.1\tweb"])
      #expect(try net.state.member(net.owner(1))?.overdue == nil)
    }
  }

  @Test func `present and later containers get the names of other hosts until these are removed`() throws {
    try Net.use { net in
      try net.join(1)
      #expect(try updateRemote(net, [remote(1, "web"), remote(2, "db")]))
      #expect(try updateRemote(net, [remote(1, "web"), remote(2, "db")]) == false)
      try net.join(2)
      for number in 1...2 {
        #expect(net.live(number).contains("10.3.9.1\tweb"))
        #expect(net.live(number).contains("10.3.9.2\tdb"))
        #expect(try net.differences(number) == [])
      }
      #expect(try updateRemote(net, [remote(2, "store")]))
      for number in 1...2 { #expect(net.live(number).filter { $0.contains("10.3.9.") } == ["10.3.9.2\tstore"]) }
      try net.leave(1)
      #expect(files(net).keys.contains("state/net/.remote.json"))
      try net.leave(2)
      #expect(files(net).isEmpty)
    }
  }

  @Test func `a hosts file that stays loses remote lines when its container leaves`() throws {
    try Net.use { net in
      try NetworkNamesTests.put("mine\n", at: net.hostsPath(1))
      try net.join(1)
      try updateRemote(net, [remote(1, "web")])
      #expect(net.live(1).contains("10.3.9.1\tweb"))
      try net.leave(1)
      #expect(net.live(1) == ["mine"])
    }
  }

  @Test func `remote names are not stored on a host without containers of the network`() throws {
    try Net.use { net in
      #expect(try updateRemote(net, []) == false)
      try updateRemote(net, [remote(1, "web")])
      #expect(files(net).isEmpty)
    }
  }

  @Test(arguments: 1...5)
  func `the next update completes an update that was interrupted at any step`(step: Int) throws {
    try Net.use { net in
      for number in 1...2 { try net.join(number) }
      try updateRemote(net, [remote(1, "web"), remote(2, "db")])
      var left = step
      let interrupted = { (what: String) throws(KernelError) in
        left -= 1
        if left == 0 { throw KernelError(what, errno: .ENOSPC, reason: "as the test wants") }
      }
      if step < 5 {
        #expect(throws: KernelError.self) {
          try updateRemote(net, [remote(2, "db"), remote(3, "new")], willChange: interrupted)
        }
      }
      try updateRemote(net, [remote(2, "db"), remote(3, "new")])
      for number in 1...2 {
        #expect(net.live(number).filter { $0.contains("10.3.9.") } == ["10.3.9.2\tdb", "10.3.9.3\tnew"])
        #expect(try net.differences(number) == [])
      }
    }
  }

  @Test func `an interrupted update leaves no remote lines after the last container has left`() throws {
    try Net.use { net in
      try NetworkNamesTests.put("mine\n", at: net.hostsPath(1))
      for number in 1...2 { try net.join(number) }
      try updateRemote(net, [remote(1, "web")])
      var left = 3
      #expect(throws: KernelError.self) {
        try updateRemote(net, [remote(2, "db")]) { (what) throws(KernelError) in
          left -= 1
          if left == 0 { throw KernelError(what, errno: .ENOSPC, reason: "as the test wants") }
        }
      }
      // CHECK finds no difference even if an ADD of another container was killed at this point.
      #expect(try net.differences(1) == [])
      for number in 1...2 { try net.leave(number) }
      #expect(files(net) == ["files/c1/hosts": ["mine"]])
    }
  }

  @Test func `a local container's line stays when an equal remote line is removed`() throws {
    try Net.use { net in
      for number in 1...2 { try net.join(number) }
      var twin = try remote(1, "n1")
      twin.addresses = [try #require(IPAddress(net.address(1)))]
      try updateRemote(net, [twin])
      #expect(net.live(2).filter { $0 == net.line(1) }.count == 2)
      try updateRemote(net, [])
      #expect(net.live(2).filter { $0 == net.line(1) }.count == 1)
    }
  }

  @Test(arguments: [true, false])
  func `remote names are also written to the name server's file or directory`(isDirectory: Bool) throws {
    try Net.use { net in
      let path = "\(net.directory)/\(isDirectory ? "hostsdir" : "shared")"
      let place = isDirectory ? NameServerTarget.directory(path) : .file(path, pidFile: nil)
      let file = isDirectory ? "\(path)/:net.hosts" : path
      var member = try net.member(1)
      member.server = place
      do {
        guard let names = try NetworkNames.lock(member.owner.network, in: net.state, createIfMissing: true)
        else { throw NoNetwork() }
        try names.join(member, nil)
        try names.publish(member)
        try names.writeRemoteNames([remote(1, "web")])
        #expect(try names.differences(from: member, hasHosts: false) == [])
        let text = try String(contentsOfFile: file, encoding: .utf8)
        #expect(text.contains("10.3.9.1 web\(isDirectory ? "\n" : " # net//\n")"))
        try "".write(toFile: file, atomically: false, encoding: .utf8)
        #expect(try names.differences(from: member, hasHosts: false).isEmpty == false)
      }
      try updateRemote(net, [remote(2, "db")])
      let text = try String(contentsOfFile: file, encoding: .utf8)
      #expect(text.contains("10.3.9.2 db") && !text.contains("web"))
      try net.leave(1)
      #expect(FileManager.default.contents(atPath: file) == (isDirectory ? nil : Data()))
    }
  }
}
