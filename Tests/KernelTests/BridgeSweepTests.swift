import BaseSupport
import HostFilter
import Iptables
import Linux
import Nftables
import PacketFilter
import SweepSupport
import TestSupport
import Testing
@testable import bridge

// Group: kernel

/// `bridge` on the running kernel, which refuses each change once.
@Suite(.needsKernel) struct BridgeSweepTests {
  private struct Outcome: Sendable {
    var before: KernelState
    var after: KernelState
    /// The rules and our chains, before and after ADD.
    var rules: [[String]]
    var changes: Int
    var succeeded: Bool
  }

  private func attach(refusing n: Int, _ backend: Backend, ipam: String = "fake") throws -> Outcome {
    try inTemporaryDirectory { state in
      try inFreshNamespace { path in
        let json = """
          {"bridge":"br0","isDefaultGateway":true,"hairpinMode":true,"ipMasq":true,"isolation":"container",
          "backend":"\(backend)","ipam":{"type":"fake"}}
          """
        let filter = HostFilter(
          iptables: IptablesBackend(), nftables: NftablesBackend(), state: state, legacyTables: [])
        let before = try KernelState(of: path), rulesBefore = try presentRules()
        let add = try TriedADD(BridgeDriver(), json, in: path, refusing: n, ipam: ipam, filter: filter)
        return Outcome(
          before: before, after: try KernelState(of: path), rules: [rulesBefore, try presentRules()],
          changes: add.changes, succeeded: add.succeeded)
      }
    }
  }

  @Test(arguments: 0..<30, Backend.allCases)
  func `ADD leaves host and container unchanged if change n is refused`(n: Int, backend: Backend) throws {
    expectRollback(try attach(refusing: n, backend), n)
  }

  @Test(arguments: 0..<30, Backend.allCases)
  func `ADD with DHCP leaves host and container unchanged if change n is refused`(n: Int, backend: Backend) throws {
    expectRollback(try attach(refusing: n, backend, ipam: "dhcp"), n)
  }

  private func expectRollback(_ outcome: Outcome, _ n: Int) {
    #expect(outcome.succeeded == (outcome.changes <= n))
    guard !outcome.succeeded else { return }
    #expect(outcome.after == outcome.before)
    #expect(outcome.rules == [[], []])
  }

  @Test(arguments: Backend.allCases)
  func `ADD succeeds if nothing is refused, and the fault sweep covers all changes`(backend: Backend) throws {
    let outcome = try attach(refusing: .max, backend)
    #expect(outcome.succeeded)
    #expect(outcome.after != outcome.before)
    #expect(outcome.rules[1].contains { $0.contains("10.1.0.5") })
    #expect((10..<30).contains(outcome.changes))
    let inTwo = try attach(refusing: .max, backend, ipam: "dhcp")
    #expect(inTwo.after != inTwo.before)
    #expect(inTwo.rules[1].count == outcome.rules[1].count)
    #expect((outcome.changes..<30).contains(inTwo.changes))
  }
}

/// The whole nf_tables ruleset, and the rules and chains of the legacy tables, without built-in chains.
func presentRules() throws -> [String] {
  let commands = [["/usr/sbin/nft", "list", "ruleset"], ["/usr/sbin/iptables-legacy-save"]]
  let listed = try commands.flatMap {
    let answer = try ChildProcess.run($0[0], Array($0.dropFirst()), environment: [], input: [], seconds: 10)
    return String(decoding: answer.output, as: UTF8.self).split(separator: "\n").map(String.init)
  }
  return listed.filter { line in
    line.hasPrefix("-A") || !line.hasPrefix(":") && !line.hasPrefix("*") && !line.hasPrefix("#") && line != "COMMIT"
      || line.hasPrefix(":") && line.contains(" - [")
  }
}
