import BaseSupport
import CNI
import Kernel
import Linux
import NetTypes
import Netlink
import PacketFilter
import PluginKit
import SweepSupport
import TestSupport
import Testing
@testable import tuning

/// `tuning` on the running kernel, which refuses each change once.
@Suite(.needsKernel) struct TuningSweepTests {
  /// The settings of `eth0` that `tuning` can change.
  private struct State: Equatable, Sendable {
    var mac: MACAddress?
    var mtu: Int
    var txQueueLength: Int
    var isPromiscuous: Bool
    var isAllMulticast: Bool
    var sysctls: [String?]

    init(on kernel: inout LiveKernel<NoPacketFilter>) throws {
      let link = try #require(try kernel.link("eth0", on: .container))
      mac = link.mac
      mtu = link.mtu
      txQueueLength = link.txQueueLength
      isPromiscuous = link.isPromiscuous
      isAllMulticast = link.isAllMulticast
      sysctls = []
      for key in ["net/ipv4/ip_forward", "net/ipv4/conf/eth0/forwarding", "net/ipv4/ip_local_reserved_ports"] {
        sysctls.append(try kernel.sysctl(key, on: .container))
      }
    }
  }

  private struct Outcome: Sendable {
    var before: State
    var after: State
    var changes: Int
    var succeeded: Bool
    var backups: Int
  }

  private func tune(refusing n: Int) throws -> Outcome {
    try inTemporaryDirectory { directory in try tune(refusing: n, directory) }
  }

  private func tune(refusing n: Int, _ directory: String) throws -> Outcome {
    try inFreshNamespace { path in
      let json = #"""
        {"dataDir": "\#(directory)", "mac": "02:00:00:00:00:09", "mtu": 1300, "txQLen": 77, "promisc": true,
         "allmulti": true, "sysctl": {"net.ipv4.ip_forward": "1", "net.ipv4.conf.IFNAME.forwarding": "1",
                                      "net.ipv4.ip_local_reserved_ports": "8080-8090"}}
        """#
      var kernel = try LiveKernel.open(containerNamespace: path)
      for change in attachment { try kernel.apply(change) }
      // The specific sysctl has the wanted value already, so ADD changes and restores only the general one.
      try kernel.apply(.setSysctls([Sysctl("net/ipv4/conf/eth0/forwarding", "1")], on: .container))
      let before = try State(on: &kernel)
      let counter = Counter()
      let plugin = Tuning(allowListPath: "\(directory)/allowlist.conf") { path throws(KernelError) in
        FailingKernel(try LiveKernel.open(containerNamespace: path), changesBeforeRefusal: n) { _ in counter.count += 1
        }
      }
      let call = Call(
        owner: .example, namespacePath: path, config: try CNIJSON.decode(TuningConfig.self, from: Array(json.utf8)),
        previous: AddResult(), delegates: Delegates(ipam: nil) { (_, _, _) throws(CNIError) in nil })
      var succeeded = true
      do { try plugin.add(call) { (_) throws(CNIError) in } } catch is CNIError { succeeded = false }
      return Outcome(
        before: before, after: try State(on: &kernel), changes: counter.count, succeeded: succeeded,
        backups: try Files.list(directory)?.count ?? 0)
    }
  }

  @Test(arguments: 0..<8)
  func `ADD leaves the container unchanged if change n is refused`(n: Int) throws {
    let outcome = try tune(refusing: n)
    #expect(outcome.succeeded == (outcome.changes <= n))
    #expect(outcome.succeeded == (n >= 6))
    #expect((outcome.after == outcome.before) == !outcome.succeeded)
    #expect(outcome.backups == (outcome.succeeded ? 1 : 0))
  }
}
