import CNI
import Foundation
import Linux
import NetTypes
import Testing
@testable import Names

/// The names of services in hosts files and in the files of name servers.
struct ServiceNamesTests {
  private static let lines = ["10.3.0.250\tweb", "fd00::fa\tweb"]

  private static func web() throws -> [NamedAddresses] {
    [
      NamedAddresses(
        [try #require(HostName("web"))], [try #require(IPAddress("10.3.0.250")), try #require(IPAddress("fd00::fa"))])
    ]
  }

  private static func remote(_ services: [NamedAddresses]) throws -> RemoteMember {
    RemoteMember(
      owner: AttachmentID(
        network: try #require(NetworkName("net")), container: try #require(ContainerID("r1")),
        interface: try #require(InterfaceName("eth0"))),
      node: try #require(HostName("far")), addresses: [try #require(IPAddress("10.3.9.1"))],
      names: [try #require(HostName("far1"))], services: services)
  }

  private static func update(_ net: Net, _ remote: [RemoteMember]) throws {
    guard let names = try NetworkNames.lock(net.owner(1).network, in: net.state, createIfMissing: true) else {
      throw NoNetwork()
    }
    try names.writeRemoteNames(remote)
  }

  /// The service's lines in a container's hosts file.
  private static func services(_ number: Int, in net: Net) -> [String] { net.live(number).filter(lines.contains) }

  @Test func `each hosts file has a service's lines once, from its first back-end to its last`() throws {
    try Net.use { net in
      let web = try Self.web()
      try net.join(1)
      for number in 2...3 { try net.join(number, services: web) }
      try net.join(4)
      for number in 1...4 {
        #expect(Self.services(number, in: net) == Self.lines)
        #expect(try net.differences(number, services: number == 2 || number == 3 ? web : []) == [])
      }
      #expect(try net.differences(1, services: web) == ["recorded services differ from those that it has"])
      try net.leave(2)
      for number in [1, 3, 4] { #expect(Self.services(number, in: net) == Self.lines) }
      try net.leave(3)
      for number in [1, 4] {
        #expect(Self.services(number, in: net) == [])
        #expect(try net.differences(number) == [])
      }
    }
  }

  @Test func `CHECK reports a service's line that another program removed`() throws {
    try Net.use { net in
      try net.join(1)
      try net.join(2, services: Self.web())
      let text = try #require(net.hosts(1))
      try Data(text.replacing("\(Self.lines[0])\n", with: "").utf8).write(to: URL(filePath: net.hostsPath(1)))
      #expect(try net.differences(1).count == 1)
    }
  }

  @Test func `a line that the container has for itself stays, and is not written again`() throws {
    try Net.use { net in
      try net.join(1, extra: [Self.lines[0]])
      try net.join(2, services: Self.web())
      #expect(Self.services(1, in: net) == Self.lines)
      #expect(try net.differences(1) == [])
      try net.leave(2)
      #expect(Self.services(1, in: net) == [Self.lines[0]])
    }
  }

  @Test func `a hosts file that stays loses the lines with the container's attachment`() throws {
    try Net.use { net in
      try NetworkNamesTests.put("mine\n", at: net.hostsPath(1))
      for number in 1...2 { try net.join(number, services: Self.web()) }
      try net.leave(1)
      #expect(net.live(1) == ["mine"])
    }
  }

  @Test(arguments: [[true, false], [false, true]])
  func `a service with back-ends here and on another host stays until both are gone`(isLocal: [Bool]) throws {
    try Net.use { net in
      let web = try Self.web()
      try net.join(1)
      try net.join(2, services: web)
      try Self.update(net, [Self.remote(web)])
      #expect(Self.services(1, in: net) == Self.lines)
      for (isLocal, rest) in zip(isLocal, [Self.lines, []]) {
        if isLocal { try net.leave(2) } else { try Self.update(net, [Self.remote([])]) }
        #expect(Self.services(1, in: net) == rest)
        #expect(try net.differences(1) == [])
      }
      try Self.update(net, [Self.remote(web)])
      try net.join(3)
      for number in [1, 3] { #expect(Self.services(number, in: net) == Self.lines) }
      try Self.update(net, [])
      for number in [1, 3] { #expect(Self.services(number, in: net) == []) }
    }
  }

  /// Throws before the change with that number.
  private static func stop(at step: Int) -> (String) throws(KernelError) -> Void {
    var left = step
    return { (what) throws(KernelError) in
      left -= 1
      if left == 0 { throw KernelError(what, errno: .ENOSPC, reason: "as the test wants") }
    }
  }

  @Test(arguments: [false, true])
  func `an ADD that fails at any step changes nothing`(isFirst: Bool) throws {
    try Net.use { net in
      let web = try Self.web(), server = NameServerTarget.directory("\(net.directory)/d")
      try net.join(1)
      try net.join(2, services: isFirst ? [] : web, server: server)
      let before = net.snapshot()
      var step = 1
      while true {
        do { try net.join(3, services: web, server: server, willChange: Self.stop(at: step)) } catch is KernelError {
          #expect(net.snapshot() == before, "step \(step)")
          step += 1
          continue
        }
        break
      }
      #expect(step > 9)
      for number in 1...3 { #expect(Self.services(number, in: net) == Self.lines) }
    }
  }

  @Test(arguments: [false, true])
  func `after an ADD that was killed at any step other back-ends come and go, and no line is left or twice`(
    isRemote: Bool
  ) throws {
    var step = 1
    while try Net.use({ net in
      let web = try Self.web()
      for number in 1...2 { try net.join(number) }
      do {
        try net.join(3, services: web, isKilled: true, willChange: Self.stop(at: step))
        return false
      } catch is KernelError {}
      if isRemote { try Self.update(net, [Self.remote(web)]) } else { try net.join(4, services: web) }
      for number in 1...2 {
        #expect(Self.services(number, in: net).sorted() == Self.lines, "step \(step)")
        #expect(try net.differences(number) == [], "step \(step)")
      }
      try net.leave(3)
      for number in 1...2 { #expect(Self.services(number, in: net).sorted() == Self.lines, "step \(step)") }
      if isRemote { try Self.update(net, []) } else { try net.leave(4) }
      for number in 1...2 { #expect(Self.services(number, in: net) == [], "step \(step)") }
      return true
    }) { step += 1 }
    #expect(step > 7)
  }

  @Test func `after a DEL that failed the next back-end's lines are in each file`() throws {
    try Net.use { net in
      let web = try Self.web(), server = NameServerTarget.directory("\(net.directory)/d")
      for number in 1...2 { try net.join(number) }
      try net.join(3, services: web, server: server)
      #expect(throws: KernelError.self) { try net.leave(3, willChange: Self.stop(at: 1)) }
      try net.join(4, services: web, server: server)
      for number in 1...2 { #expect(Self.services(number, in: net) == Self.lines) }
      try net.leave(3)
      for number in 1...2 { #expect(Self.services(number, in: net) == Self.lines) }
      try net.leave(4)
      for number in 1...2 { #expect(Self.services(number, in: net) == []) }
    }
  }

  @Test func `a hosts file that could not be written gets the lines later`() throws {
    try Net.use { net in
      try net.join(1)
      var member = try #require(try net.state.member(net.owner(1)))
      let own = member.hosts
      let status = try #require(try Files.status("/proc/version"))
      member.hosts = FileReference(path: "/proc/version", device: status.device, inode: status.inode)
      try net.state.put(member)
      try net.join(2, services: Self.web())
      member = try #require(try net.state.member(net.owner(1)))
      #expect(member.overdue == [])
      member.hosts = own
      try net.state.put(member)
      try net.join(3)
      #expect(Self.services(1, in: net).sorted() == Self.lines)
      #expect(try net.differences(1) == [])
    }
  }

  @Test func `a name server's file goes with the last attachment that uses the server`() throws {
    try Net.use { net in
      let web = try Self.web(), server = NameServerTarget.directory("\(net.directory)/d")
      try net.join(1)
      try net.join(2, services: web, server: server)
      try Self.update(net, [Self.remote(web)])
      try net.leave(2)
      #expect(!tree("\(net.directory)/d").contains(":net:services.hosts"))
    }
  }

  @Test(arguments: [true, false])
  func `a name server reads all services from one file`(isDirectory: Bool) throws {
    try Net.use { net in
      let path = "\(net.directory)/\(isDirectory ? "d" : "shared")", web = try Self.web()
      let server = isDirectory ? NameServerTarget.directory(path) : .file(path, pidFile: nil)
      let file = isDirectory ? "\(path)/:net:services.hosts" : path
      let mark = isDirectory ? "" : " # net//services"
      let services = {
        (try? String(contentsOfFile: file, encoding: .utf8))?.split(separator: "\n").map(String.init)
          .filter { $0.contains(" web") } ?? []
      }
      let lines = ["10.3.0.250 web\(mark)", "fd00::fa web\(mark)"]
      for number in 1...2 { try net.join(number, services: web, server: server) }
      try net.join(3, server: server)
      #expect(services() == lines)
      #expect(try net.differences(1, services: web, server: server) == [])
      try net.leave(1)
      #expect(services() == lines)
      try Self.update(net, [Self.remote(web)])
      try net.leave(2)
      #expect(services() == lines)
      try Self.update(net, [Self.remote([])])
      #expect(services() == [])
      try Self.update(net, [Self.remote(web)])
      #expect(services() == lines)
      try net.leave(3)
      #expect(FileManager.default.contents(atPath: file) == (isDirectory ? nil : Data()))
      try net.join(1, services: web, server: server)
      try Data().write(to: URL(filePath: file))
      #expect(try net.differences(1, services: web, server: server).filter { $0.contains(" web") }.count == 2)
    }
  }
}
