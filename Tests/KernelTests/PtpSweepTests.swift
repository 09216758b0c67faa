import BaseSupport
import CNI
import HostFilter
import Iptables
import Linux
import NetTypes
import Nftables
import PacketFilter
import PluginKit
import SweepSupport
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
    var hostAndContainer: KernelState
    var peer: KernelState
    var rules: [String]

    init(_ container: String, _ peer: String) throws {
      hostAndContainer = try KernelState(of: container)
      self.peer = try KernelState(of: peer)
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

  private func attach(refusing n: Int, _ kind: Kind) throws -> Outcome {
    try inTemporaryDirectory { state in
      try inFreshNamespace { container in
        let other = try Namespace.new()
        let peer = "/proc/self/fd/\(other.raw)"
        let filter = HostFilter(
          iptables: IptablesBackend(), nftables: NftablesBackend(), state: state, legacyTables: [])
        let answer = AddResult(
          ips: [.init(address: "10.1.0.5/24"), .init(address: "fd00:1::5/64", gateway: "fd00:1::1")],
          routes: [Route(dst: "0.0.0.0/0"), Route(dst: "::/0")])
        let before = try State(container, peer)
        let add = try TriedADD(
          #"{"ipam":{"type":"fake"},\#(kind.keys(peer))}"#, in: container, refusing: n, answer: answer, filter: filter
        ) { MainPlugin(PTPDriver(), peerNamespace: \.peerNamespace, on: $0) }
        var differences = ""
        if add.succeeded {
          do { try add.plugin.check(add.call) } catch let error as CNIError { differences = error.message }
        }
        let outcome = Outcome(
          before: before, after: try State(container, peer), differences: differences, changes: add.changes,
          succeeded: add.succeeded)
        _ = consume other  // held until here
        return outcome
      }
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
