import Glibc
import HostFilter
import LabSupport
import Linux
import SweepSupport
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

  private func attach(refusing n: Int) throws -> Run {
    try inFreshNamespace { path in
      let json = #"{"bridge":"br0","vlan":10,"vlanTrunk":[{"id":20}],"isDefaultGateway":true,"ipam":{"type":"fake"}}"#
      let before = try everything(in: path)
      let add = try TriedADD(BridgeDriver(), json, in: path, refusing: n, filter: HostFilter())
      return Run(
        before: before, after: try everything(in: path), changes: add.changes, succeeded: add.succeeded)
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
