import Glibc
import Kernel
import Linux
import NetTypes
import Netlink
import TestSupport
import Testing

@Suite(.needsKernel) struct ListenerTests {
  private struct Socket: Sendable {
    var transport: TransportProtocol
    var address: IPAddress
    var port: UInt16
    var isIPv6Only = true
  }

  /// The listeners that are found at these ports while the sockets are bound and, for TCP, listen; without inodes.
  private func listeners(
    _ transport: TransportProtocol, _ ports: Set<UInt16>, beside sockets: [Socket]
  ) throws -> [Listener] {
    try inFreshNamespace { _ in
      var kernel = try LiveKernel.open(containerNamespace: nil)
      try kernel.apply(.changeLink("lo", on: .host, LinkChange(isUp: true)))
      let files = try sockets.map { (socket) throws(KernelError) in try bind(socket) }
      defer { for file in files { close(file) } }
      return try kernel.listeners(transport, ports).map { found in
        var found = found
        if found.inode != 0 { found.inode = 1 }
        return found
      }.sorted { ($0.port, $0.address) < ($1.port, $1.address) }
    }
  }

  @Test func `TCP sockets of a port are found in both families, and no others`() throws {
    let found = try listeners(
      .tcp, [8080],
      beside: [
        Socket(transport: .tcp, address: "127.0.0.1", port: 8080), Socket(transport: .tcp, address: "::1", port: 8080),
        Socket(transport: .tcp, address: "0.0.0.0", port: 8081),
        Socket(transport: .udp, address: "0.0.0.0", port: 8080),
      ])
    #expect(
      found == [Listener("127.0.0.1", 8080, inode: 1), Listener("::1", 8080, inode: 1, isIPv6Only: true)])
  }

  @Test func `UDP sockets of several ports are found at once`() throws {
    let found = try listeners(
      .udp, [5000, 5002, 5004],
      beside: [4999, 5000, 5001, 5002, 5005].map { Socket(transport: .udp, address: "0.0.0.0", port: $0) })
    #expect(found == [Listener("0.0.0.0", 5000, inode: 1), Listener("0.0.0.0", 5002, inode: 1)])
  }

  @Test(arguments: [true, false])
  func `an IPv6 socket shows whether it accepts IPv4`(isIPv6Only: Bool) throws {
    let found = try listeners(
      .tcp, [80], beside: [Socket(transport: .tcp, address: "::", port: 80, isIPv6Only: isIPv6Only)])
    #expect(found == [Listener("::", 80, inode: 1, isIPv6Only: isIPv6Only)])
  }

  @Test(arguments: TransportProtocol.allCases)
  func `nothing is found if no socket listens`(transport: TransportProtocol) throws {
    #expect(try listeners(transport, [80, 65535], beside: []) == [])
    #expect(try listeners(transport, [], beside: []) == [])
  }

  @Test func `a socket's process is found by its inode`() throws {
    let holders = try inFreshNamespace { _ in
      var kernel = try LiveKernel.open(containerNamespace: nil)
      let file = try bind(Socket(transport: .tcp, address: "0.0.0.0", port: 80))
      defer { close(file) }
      let inode = try #require(try kernel.listeners(.tcp, [80]).first?.inode)
      return try kernel.holders(ofSockets: [inode]).map { ($0.pid, $0.command, $0.inode == inode) }
    }
    #expect(holders.count == 1)
    #expect(holders.first?.0 == getpid())
    #expect(holders.first?.1.isEmpty == false)
    #expect(holders.first?.2 == true)
  }

  private func bind(_ wanted: Socket) throws(KernelError) -> Int32 {
    let kind = wanted.transport == .udp ? SOCK_DGRAM : SOCK_STREAM
    let file = socket(wanted.address.family == .v4 ? AF_INET : AF_INET6, Int32(kind.rawValue), 0)
    var only: Int32 = wanted.isIPv6Only ? 1 : 0
    if wanted.address.family == .v6 {
      unsafe setsockopt(file, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &only, socklen_t(MemoryLayout<Int32>.size))
    }
    let status = unsafe withSocketAddress(wanted.address, wanted.port) { unsafe Glibc.bind(file, $0, $1) }
    guard status == 0, wanted.transport == .udp || listen(file, 5) == 0 else {
      throw KernelError(errno: .last, doing: "bind \(wanted.address) \(wanted.port)")
    }
    return file
  }
}
