import CNI
import Kernel
import NetTypes
import Netlink
import PacketFilter
import PluginKit
import SweepSupport
import TestSupport
import Testing
@testable import macvlan

/// `macvlan` with `hostAccess` on the running kernel, which refuses each change once.
@Suite(.needsKernel) struct MacvlanSweepTests {
  private struct Outcome: Sendable {
    var before: KernelState
    var after: KernelState
    var changes: Int
    var succeeded: Bool
    /// The state after another DEL.
    var end: KernelState
  }

  private static let host: [Change] = [
    .createLink(LinkSpec("up0", kind: .veth(peer: .init(name: "up1", netns: .host)))),
    .changeLink("up0", on: .host, LinkChange(isUp: true)), .changeLink("up1", on: .host, LinkChange(isUp: true)),
    .addAddress(AddressSpec("10.1.0.1/24", on: "up0", .host)),
    .addAddress(AddressSpec("192.0.2.1/24", on: "up0", .host)),
    .addAddress(AddressSpec("fd00:1::1/64", on: "up0", .host)),
  ]

  private func attach(refusing n: Int, ipam: String) throws -> Outcome {
    try inFreshNamespace { path in
      var kernel = try LiveKernel.open(containerNamespace: path)
      for change in Self.host { try kernel.apply(change) }
      let json = #"{"master":"up0","hostAccess":true,"ipam":{"type":"\#(ipam)"}}"#
      let answer = AddResult(
        ips: [
          .init(address: "10.1.0.5/24", gateway: "10.1.0.254"), .init(address: "fd00:1::5/64", gateway: "fd00:1::fe"),
        ], routes: [Route(dst: "0.0.0.0/0"), Route(dst: "::/0")])
      let before = try KernelState(of: path)
      let add = try TriedADD(
        MacvlanDriver(), json, in: path, refusing: n, answer: answer, ipam: ipam, filter: NoPacketFilter())
      let after = try KernelState(of: path)
      let remover = MainPlugin(MacvlanDriver()) { namespaces throws(KernelError) in
        try LiveKernel.open(containerNamespace: namespaces.container)
      }
      try remover.delete(
        Removal(owner: add.call.owner, namespacePath: path, config: nil, delegates: add.call.delegates))
      return Outcome(
        before: before, after: after, changes: add.changes, succeeded: add.succeeded, end: try KernelState(of: path))
    }
  }

  /// `dhcp` is called only after the link was created.
  @Test(arguments: 0..<24, ["fake", "dhcp"])
  func `ADD leaves host and container unchanged if change n is refused`(n: Int, ipam: String) throws {
    let outcome = try attach(refusing: n, ipam: ipam)
    #expect(outcome.succeeded == (outcome.changes <= n))
    if !outcome.succeeded { #expect(outcome.after == outcome.before) }
    #expect(outcome.end.links.filter { $0.hasPrefix("host") } == outcome.before.links.filter { $0.hasPrefix("host") })
    #expect(outcome.end.routes == outcome.before.routes)
  }

  @Test(arguments: ["fake", "dhcp"])
  func `ADD succeeds if nothing is refused, and the fault sweep covers all changes`(ipam: String) throws {
    let outcome = try attach(refusing: .max, ipam: ipam)
    #expect(outcome.succeeded)
    #expect(outcome.after != outcome.before)
    #expect(outcome.after.routes.contains { $0.contains("10.1.0.5/32") })
    #expect((10..<24).contains(outcome.changes))
  }
}
