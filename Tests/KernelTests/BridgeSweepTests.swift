import CNI
import Foundation
import HostFilter
import Iptables
import Linux
import NetTypes
import Netlink
import Nftables
import PacketFilter
import PluginKit
import TestSupport
import Testing
@testable import bridge

// Group: kernel

/// `bridge` on the running kernel, which refuses each change once.
@Suite(.needsKernel) struct BridgeSweepTests {
  private struct Outcome: Sendable {
    var before: Snapshot
    var after: Snapshot
    /// The rules and our chains, before and after ADD.
    var rules: [[String]]
    var changes: Int
    var succeeded: Bool
  }

  private final class Counter {
    var count = 0
  }

  private func attach(refusing n: Int, _ backend: Backend, ipam: String = "fake") throws -> Outcome {
    let state = "/tmp/t-sweep-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: state) }
    return try inFreshNamespace { path in
      let json = """
        {"bridge":"br0","isDefaultGateway":true,"hairpinMode":true,"ipMasq":true,"isolation":"container",
        "backend":"\(backend)","ipam":{"type":"fake"}}
        """
      let filter = HostFilter(
        iptables: IptablesBackend(), nftables: NftablesBackend(), state: state, legacyTables: [])
      let answer = AddResult(ips: [
        .init(address: "10.1.0.5/24", gateway: "10.1.0.1"), .init(address: "fd00:1::5/64", gateway: "fd00:1::1"),
      ])
      let counter = Counter()
      let plugin = MainPlugin(BridgeDriver()) { namespaces throws(KernelError) in
        let live = try LiveKernel.open(containerNamespace: namespaces.container, filter: filter)
        return FailingKernel(live, changesBeforeRefusal: n) { _ in counter.count += 1 }
      }
      let owner = AttachmentID(
        network: try #require(NetworkName("net")), container: try #require(ContainerID("c1")), interface: "eth0")
      let before = try Snapshot(of: path), rulesBefore = try presentRules()
      var succeeded = true
      do {
        try plugin.add(
          Call(
            owner: owner, namespacePath: path, config: try CNIJSON.decode(BridgeConfig.self, from: Array(json.utf8)),
            delegates: Delegates(ipam: PluginType(ipam)) { (_, _, _) throws(CNIError) in answer })
        ) { (_) throws(CNIError) in }
      } catch is CNIError { succeeded = false }
      return Outcome(
        before: before, after: try Snapshot(of: path), rules: [rulesBefore, try presentRules()],
        changes: counter.count, succeeded: succeeded)
    }
  }

  @Test(arguments: 0..<30, Backend.allCases)
  func `ADD leaves host and container unchanged if change n is refused`(n: Int, backend: Backend) throws {
    let outcome = try attach(refusing: n, backend)
    #expect(outcome.succeeded == (outcome.changes <= n))
    if !outcome.succeeded {
      #expect(outcome.after == outcome.before)
      #expect(outcome.rules == [[], []])
    }
  }

  @Test(arguments: 0..<30, Backend.allCases)
  func `ADD with DHCP leaves host and container unchanged if change n is refused`(n: Int, backend: Backend) throws {
    let outcome = try attach(refusing: n, backend, ipam: "dhcp")
    #expect(outcome.succeeded == (outcome.changes <= n))
    if !outcome.succeeded {
      #expect(outcome.after == outcome.before)
      #expect(outcome.rules == [[], []])
    }
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
