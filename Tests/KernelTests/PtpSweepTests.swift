import CNI
import Foundation
import HostFilter
import Iptables
import Kernel
import Linux
import NetTypes
import Netlink
import Nftables
import PacketFilter
import PluginKit
import TestSupport
import Testing
@testable import ptp

/// `ptp` on the running kernel, which refuses each change once.
@Suite(.needsKernel) struct PtpSweepTests {
  /// The place of the other end, and further settings.
  enum Kind: CaseIterable, Sendable {
    case iptables, nftables, peer

    func keys(_ peer: String) -> String {
      switch self {
      case .iptables, .nftables: #""ipMasq":true,"backend":"\#(self)""#
      case .peer: #""peer":"\#(peer)""#
      }
    }
  }

  /// The state that is compared: host, container, peer, and all rules.
  private struct State: Equatable, Sendable {
    var hostAndContainer: Snapshot
    var peer: Snapshot
    var rules: [String]

    init(_ container: String, _ peer: String) throws {
      hostAndContainer = try Snapshot(of: container)
      self.peer = try Snapshot(of: peer)
      rules = try presentRules()
    }
  }

  private struct Outcome: Sendable {
    var before: State
    var after: State
    var differences: String
    var changes: Int
    var succeeded: Bool
  }

  private final class Counter {
    var count = 0
  }

  private func attach(refusing n: Int, _ kind: Kind) throws -> Outcome {
    let state = "/tmp/t-sweep-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: state) }
    return try inFreshNamespace { container in
      let other = try Namespace.new()
      let peer = "/proc/self/fd/\(other.raw)"
      let json = #"{"ipam":{"type":"fake"},\#(kind.keys(peer))}"#
      let config = try CNIJSON.decode(PTPConfig.self, from: Array(json.utf8))
      let filter = HostFilter(
        iptables: IptablesBackend(), nftables: NftablesBackend(), state: state, legacyTables: [])
      let answer = AddResult(
        ips: [.init(address: "10.1.0.5/24"), .init(address: "fd00:1::5/64", gateway: "fd00:1::1")],
        routes: [Route(dst: "0.0.0.0/0"), Route(dst: "::/0")])
      let counter = Counter()
      let plugin = MainPlugin(PTPDriver(), peerNamespace: \.peerNamespace) { namespaces throws(KernelError) in
        let live = try LiveKernel.open(
          containerNamespace: namespaces.container, peerPath: namespaces.peerPath, filter: filter)
        return FailingKernel(live, changesBeforeRefusal: n) { _ in counter.count += 1 }
      }
      let owner = AttachmentID(
        network: try #require(NetworkName("net")), container: try #require(ContainerID("c1")), interface: "eth0")
      let delegates = Delegates(ipam: PluginType("fake")) { (_, _, _) throws(CNIError) in answer }
      let before = try State(container, peer)
      var call = Call(owner: owner, namespacePath: container, config: config, delegates: delegates)
      var differences = ""
      do {
        try plugin.add(call) { (result) throws(CNIError) in call.previous = result }
      } catch is CNIError {}
      let count = counter.count
      let succeeded = call.previous != nil
      if succeeded {
        do { try plugin.check(call) } catch let error as CNIError { differences = error.message }
      }
      let outcome = Outcome(
        before: before, after: try State(container, peer), differences: differences, changes: count,
        succeeded: succeeded)
      _ = consume other  // held until here
      return outcome
    }
  }

  @Test(arguments: 0..<35, Kind.allCases)
  func `ADD leaves host, container and peer unchanged if change n is refused`(n: Int, kind: Kind) throws {
    let outcome = try attach(refusing: n, kind)
    #expect(outcome.succeeded == (outcome.changes <= n))
    if !outcome.succeeded { #expect(outcome.after == outcome.before) }
  }

  @Test(arguments: Kind.allCases)
  func `ADD succeeds if nothing is refused, CHECK passes, and the fault sweep covers all changes`(kind: Kind) throws {
    let outcome = try attach(refusing: .max, kind)
    #expect(outcome.succeeded)
    #expect(outcome.differences == "")
    #expect(outcome.after.hostAndContainer != outcome.before.hostAndContainer)
    #expect(outcome.after.peer.links.contains { $0.hasPrefix("container veth") } == (kind == .peer))
    #expect(outcome.after.rules.contains { $0.contains("10.1.0.5") } == (kind != .peer))
    #expect((10..<35).contains(outcome.changes))
  }
}
