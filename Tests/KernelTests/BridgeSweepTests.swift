import CNI
import CNIJSON
import Kernel
import NetTypes
import Netlink
import PluginKit
import TestSupport
import Testing

@testable import bridge

/// `bridge` on the real kernel, refused once at each of its changes.
@Suite(.needsKernel) struct BridgeSweepTests {
  private struct Outcome: Sendable {
    var before: Snapshot
    var after: Snapshot
    var changes: Int
    var succeeded: Bool
  }

  private final class Counter {
    var count = 0
  }

  private func attach(refusing n: Int) throws -> Outcome {
    try inFreshNamespace { path in
      let json = #"{"bridge":"br0","isDefaultGateway":true,"hairpinMode":true,"ipam":{"type":"fake"}}"#
      let answer = AddResult(ips: [
        .init(address: "10.1.0.5/24", gateway: "10.1.0.1"), .init(address: "fd00:1::5/64", gateway: "fd00:1::1"),
      ])
      let counter = Counter()
      let plugin = MainPlugin(BridgeDriver()) { path throws(KernelError) in
        FailingKernel(try LiveKernel.open(containerNamespace: path), changesBeforeRefusal: n) { _ in counter.count += 1
        }
      }
      let owner = Owner(
        network: try #require(NetworkName("net")), container: try #require(ContainerID("c1")), interface: "eth0")
      let before = try Snapshot(of: path)
      var succeeded = true
      do {
        try plugin.add(
          Call(
            owner: owner, namespacePath: path, config: try CNIJSON.decode(BridgeConfig.self, from: Array(json.utf8)),
            delegates: Delegates(ipam: PluginType("fake")) { (_, _, _) throws(CNIError) in answer })
        ) { (_) throws(CNIError) in }
      } catch is CNIError { succeeded = false }
      return Outcome(before: before, after: try Snapshot(of: path), changes: counter.count, succeeded: succeeded)
    }
  }

  @Test(arguments: 0..<30)
  func `leaves host and container as they were when change n is refused`(n: Int) throws {
    let outcome = try attach(refusing: n)
    #expect(outcome.succeeded == (outcome.changes <= n))
    if !outcome.succeeded { #expect(outcome.after == outcome.before) }
  }

  @Test func `changes something when nothing is refused, within the sweep`() throws {
    let outcome = try attach(refusing: .max)
    #expect(outcome.succeeded)
    #expect(outcome.after != outcome.before)
    #expect((10..<30).contains(outcome.changes))
  }
}
