import Kernel
import Linux
import NetTypes
import Netlink
import SweepSupport
import TestSupport
import Testing

/// Every kind of change, made and undone on the running kernel.
@Suite(.needsKernel) struct UndoTests {
  static let verbs: [Change] = [
    .createLink(LinkSpec("br1", kind: .bridge(filtersVLANs: false))),
    .createLink(LinkSpec("veth1", kind: .veth(peer: .init(name: "eth1")))),
    .changeLink("br0", on: .host, LinkChange(isUp: false, isPromiscuous: true, mac: "02:00:00:00:00:09", alias: "x")),
    .changeLink("eth0", on: .container, LinkChange(mtu: 1300)),
    .changeLink("veth0", on: .host, LinkChange(port: BridgePort(hairpin: true, isolated: true))),
    .addAddress(AddressSpec("10.1.0.1/24", on: "br0", .host)),
    .addAddress(AddressSpec("fd00:1::5/64", on: "eth0", .container)),
    .addRoute(RouteSpec("10.9.0.0/16", on: "eth0", .container)),
    .addRoute(RouteSpec("fd00:9::/64", on: "eth0", .container)),
    .setSysctls([Sysctl("net/ipv4/ip_forward", "1"), Sysctl("net/ipv6/conf/all/forwarding", "1")], on: .host),
    .setSysctls([Sysctl("net/ipv6/conf/lo/disable_ipv6", "1")], on: .container),
    .setNeighbour(NeighbourSpec("10.1.0.7", mac: "02:00:00:00:00:07", on: "br0", .host)),
    .setFDB(FDBSpec("02:00:00:00:00:07", on: "veth0", in: .master)),
    .setFDB(FDBSpec("02:00:00:00:00:07", on: "veth0", in: .port)),
    .changeLink("veth0", on: .host, LinkChange(port: BridgePort(learning: false, locked: true))),
  ]

  @Test(arguments: verbs.indices)
  func `rollback restores the state after every change`(index: Int) throws {
    let (before, between, after) = try inFreshNamespace { path in
      var kernel = try LiveKernel.open(containerNamespace: path)
      for change in attachment { try kernel.apply(change) }
      let before = try KernelState(of: path)
      var transaction = Transaction(kernel)
      try transaction.apply(Self.verbs[index])
      let between = try KernelState(of: path)
      let failures = transaction.rollBack()
      return (before, between, failures.isEmpty ? try KernelState(of: path) : nil)
    }
    #expect(after == before)
    // Bridge ports, neighbours and forwarding entries are not in the snapshot; other tests cover them.
    if ![4, 11, 12, 13, 14].contains(index) { #expect(between != before) }
  }

  @Test func `rollback restores the settings of a port`() throws {
    let ports = try inFreshNamespace { path in
      var kernel = try LiveKernel.open(containerNamespace: path)
      for change in attachment { try kernel.apply(change) }
      var transaction = Transaction(kernel)
      try transaction.apply(Self.verbs[4])
      let between = try transaction.kernel.link("veth0", on: .host)?.port
      _ = transaction.rollBack()
      return (between, try transaction.kernel.link("veth0", on: .host)?.port)
    }
    #expect(ports.0?.hairpin == true && ports.0?.isolated == true)
    #expect(ports.1?.hairpin == false && ports.1?.isolated == false)
  }

  @Test(arguments: [11, 12])
  func `rollback removes a table entry`(index: Int) throws {
    let tables = try inFreshNamespace { path in
      var kernel = try LiveKernel.open(containerNamespace: path)
      for change in attachment { try kernel.apply(change) }
      var transaction = Transaction(kernel)
      try transaction.apply(Self.verbs[index])
      let between = try tableEntries()
      _ = transaction.rollBack()
      return [between, try tableEntries()]
    }
    #expect(tables.map { $0.contains("02:00:00:00:00:07") } == [true, false])
  }
}

/// Neighbours and forwarding entries, as iproute2 shows them.
private func tableEntries() throws -> String {
  let commands = [["/sbin/ip", "neighbour", "show", "nud", "all"], ["/sbin/bridge", "fdb", "show"]]
  return try commands.map {
    let answer = try ChildProcess.run($0[0], Array($0.dropFirst()), environment: [], input: [], seconds: 10)
    return String(decoding: answer.output, as: UTF8.self)
  }.joined()
}
