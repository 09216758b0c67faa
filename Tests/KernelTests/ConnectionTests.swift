import Glibc
import Kernel
import Linux
import NetTypes
import Netlink
import TestSupport
import Testing

@Suite(.needsKernel) struct ConnectionTests {
  private static let everywhere = [
    "127.0.0.1 5353", "127.0.0.2 5353", "127.0.0.1 5354", "::1 5353",
  ]

  /// The UDP connections in conntrack, as `DESTINATION PORT`, before and after some are deleted.
  private func connections(forgetting wanted: Set<ConntrackFilter>) throws -> (
    before: Set<String>, after: Set<String>
  ) {
    try inFreshNamespace { _ in
      var kernel = try LiveKernel.open(containerNamespace: nil)
      try kernel.apply(.changeLink("lo", on: .host, LinkChange(isUp: true)))
      try enableConntrack()
      for (address, port) in [
        ("127.0.0.1", 5353), ("127.0.0.2", 5353), ("127.0.0.1", 5354), ("::1", 5353),
      ] as [(IPAddress, UInt16)] { try sendPacket(to: address, port) }
      let before = try conntrackEntries()
      try kernel.apply(.deleteConntrackEntries(wanted))
      return (before, try conntrackEntries())
    }
  }

  private static func udp(_ family: IPFamily, _ address: IPAddress?, _ port: UInt16) -> ConntrackFilter {
    ConntrackFilter(.udp, family, to: address, port)
  }

  @Test(
    arguments: [
      ([udp(.v4, nil, 5353)], ["127.0.0.1 5354", "::1 5353"]),
      ([udp(.v4, "127.0.0.1", 5353)], ["127.0.0.2 5353", "127.0.0.1 5354", "::1 5353"]),
      ([udp(.v6, nil, 5353)], ["127.0.0.1 5353", "127.0.0.2 5353", "127.0.0.1 5354"]),
      ([udp(.v4, "127.0.0.1", 5353), udp(.v4, "127.0.0.1", 5354)], ["127.0.0.2 5353", "::1 5353"]),
      ([udp(.v4, nil, 5353), udp(.v4, nil, 5354), udp(.v6, "::1", 5353)], []),
      ([ConntrackFilter(all: "127.0.0.2")], ["127.0.0.1 5353", "127.0.0.1 5354", "::1 5353"]),
      // The source of all IPv4 connections.
      ([ConntrackFilter(all: "127.0.0.1"), udp(.v6, nil, 1)], ["::1 5353"]),
      ([ConntrackFilter(.tcp, .v4, 5353)], everywhere), ([udp(.v4, nil, 5355)], everywhere), ([], everywhere),
    ] as [([ConntrackFilter], [String])])
  func `only the given conntrack entries are deleted`(wanted: [ConntrackFilter], left: [String]) throws {
    let (before, after) = try connections(forgetting: Set(wanted))
    #expect(before == Set(Self.everywhere))
    #expect(after == Set(left))
  }

  @Test func `conntrack entries of forwarded packets stay if no address is given`() throws {
    let left = try inFreshNamespace { path in
      var kernel = try LiveKernel.open(containerNamespace: path)
      for change in attachment { try kernel.apply(change) }
      try kernel.apply(.addAddress(AddressSpec("10.1.0.1/24", on: "br0", .host)))
      try enableConntrack()
      try sendPacket(to: "10.1.0.5", 53)
      let before = try conntrackEntries()
      try kernel.apply(.deleteConntrackEntries([ConntrackFilter(.udp, .v4, 53)]))
      return (before, try conntrackEntries())
    }
    #expect(left.0 == ["10.1.0.5 53"])
    #expect(left.1 == left.0)
  }

  @Test func `the link towards an address is the output interface of its packets`() throws {
    let names = try inFreshNamespace { path in
      var kernel = try LiveKernel.open(containerNamespace: path)
      for change in attachment { try kernel.apply(change) }
      try kernel.apply(.addAddress(AddressSpec("10.1.0.1/24", on: "br0", .host)))
      try kernel.apply(.addAddress(AddressSpec("fd00:1::1/64", on: "br0", .host)))
      return try ["10.1.0.5", "fd00:1::5", "10.1.0.1", "192.0.2.1", "2001:db8::1"].map { (address: IPAddress) in
        try kernel.outgoingLink(to: address)?.name
      }
    }
    #expect(names == ["br0", "br0", nil, nil, nil])
  }

  @Test func `::1 is routed once per link`() throws {
    try inFreshNamespace { path in
      var kernel = try LiveKernel.open(containerNamespace: path)
      for change in attachment { try kernel.apply(change) }
      try kernel.apply(.addLoopbackRoute("br0"))
      try kernel.apply(.addLoopbackRoute("br0"))
    }
  }
}

/// Enables conntrack in this thread's namespace; the kernel needs a rule that uses it.
private func enableConntrack() throws {
  let ruleset = "table inet t {\n chain o {\n type filter hook output priority 0\n ct state new accept\n }\n}\n"
  let outcome = try ChildProcess.run(
    "/usr/sbin/nft", ["-f", "-"], environment: [], input: Array(ruleset.utf8), seconds: 10)
  try #require(outcome.status == 0)
}

/// Sends a UDP packet, which conntrack counts as a connection.
private func sendPacket(to address: IPAddress, _ port: UInt16) throws {
  let file = socket(address.family == .v4 ? AF_INET : AF_INET6, Int32(SOCK_DGRAM.rawValue), 0)
  defer { close(file) }
  let sent = unsafe withSocketAddress(address, port) { unsafe sendto(file, "x", 1, 0, $0, $1) }
  guard sent == 1 else { throw KernelError(errno: .last, doing: "send to \(address)") }
}

/// The UDP entries of conntrack in this thread's namespace.
private func conntrackEntries() throws -> Set<String> {
  let text = String(decoding: try Files.read("/proc/thread-self/net/nf_conntrack"), as: UTF8.self)
  return Set(
    text.split(separator: "\n").filter { $0.contains(" udp ") }.compactMap { line in
      let fields = line.split(separator: " ")
      guard
        let destination = fields.first(where: { $0.hasPrefix("dst=") }).flatMap({ IPAddress(String($0.dropFirst(4))) }),
        let port = fields.first(where: { $0.hasPrefix("dport=") })
      else { return nil }
      return "\(destination) \(port.dropFirst(6))"
    })
}
