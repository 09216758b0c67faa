import CNI
import Glibc
import HostFilter
import LabSupport
import Linux
import NetTypes
import Netlink
import PluginKit
import TestSupport
import Testing
@testable import bridge

/// `bridge` with VLANs on the running kernel, which refuses each change once.
@Suite(.needsRoot)
struct SweepTests {
  private struct Run: Sendable {
    var before: [String]
    var after: [String]
    var changes: Int
    var succeeded: Bool
  }

  private final class Counter {
    var count = 0
  }

  private func attach(refusing n: Int) throws -> Run {
    try inFreshNamespace { path in
      let json = #"{"bridge":"br0","vlan":10,"vlanTrunk":[{"id":20}],"isDefaultGateway":true,"ipam":{"type":"fake"}}"#
      let answer = AddResult(ips: [
        .init(address: "10.1.0.5/24", gateway: "10.1.0.1"), .init(address: "fd00:1::5/64", gateway: "fd00:1::1"),
      ])
      let counter = Counter()
      let plugin = MainPlugin(BridgeDriver()) { namespaces throws(KernelError) in
        let live = try LiveKernel.open(containerNamespace: namespaces.container, filter: HostFilter())
        return FailingKernel(live, changesBeforeRefusal: n) { _ in counter.count += 1 }
      }
      let owner = AttachmentID(
        network: try #require(NetworkName("net")), container: try #require(ContainerID("c1")), interface: "eth0")
      let before = try everything(in: path)
      var succeeded = true
      do {
        try plugin.add(
          Call(
            owner: owner, namespacePath: path, config: try CNIJSON.decode(BridgeConfig.self, from: Array(json.utf8)),
            delegates: Delegates(ipam: PluginType("fake")) { (_, _, _) throws(CNIError) in answer })
        ) { (_) throws(CNIError) in }
      } catch is CNIError { succeeded = false }
      return Run(before: before, after: try everything(in: path), changes: counter.count, succeeded: succeeded)
    }
  }

  @Test(arguments: 0..<30)
  func `ADD leaves host and container unchanged if change n is refused`(n: Int) throws {
    let run = try attach(refusing: n)
    #expect(run.succeeded == (run.changes <= n))
    if !run.succeeded { #expect(run.after == run.before) }
  }

  @Test func `ADD succeeds if nothing is refused, and the fault sweep covers all changes`() throws {
    let run = try attach(refusing: .max)
    #expect(run.succeeded)
    #expect(run.after.contains { $0.contains("br0.10") })
    #expect(run.after.contains { $0.contains("10 PVID Egress Untagged") })
    #expect((15..<30).contains(run.changes))
  }
}

/// Links, addresses, routes, VLANs and forwarding of this thread's namespace and of the one at `path`, as lines.
private func everything(in path: String) throws -> [String] {
  let script = """
    ip -o -d link | sed 's/ qdisc [a-z]* / /'; ip -o address; ip route show table all; ip -6 route show table all; bridge vlan show
    grep . /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding
    """
  // The child process does not have our file descriptors.
  let container = path.replacing("/proc/self/", with: "/proc/\(getpid())/")
  return try [["/bin/sh", "-c", script], ["/usr/bin/nsenter", "--net=\(container)", "/bin/sh", "-c", script]].flatMap {
    let answer = try ChildProcess.run(
      $0[0], Array($0.dropFirst()), environment: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], input: [], seconds: 60)
    return String(decoding: answer.output, as: UTF8.self).split(separator: "\n").map(String.init).sorted()
  }
}
