import NetTypes
import PacketFilter
import Testing
import TestSupport
@testable import Iptables

/// A name server on the host, which only one bridge may query.
@Suite(.needsKernel) struct IptablesNamesTests {
  private func ruleSet(_ container: String, _ bridge: String = "br0", at server: String = "10.1.0.1") -> RuleSet {
    RuleSet(owner(container), .names, [.serve(NameService(name(bridge), address: ip(server)))])
  }

  @Test func `the rule for the name server stays as long as one container needs it`() throws {
    let ruleSets = [ruleSet("c1"), ruleSet("c2")]
    let (before, alone, one, missing, after) = try IptablesLab.run { lab in
      let backend = lab.backend
      let before = try lab.everything()
      try backend.add(ruleSets[1])
      let alone = try lab.rules("filter")
      try backend.add(ruleSets[0])
      try backend.remove(ruleSets[0].owner.filterTag, .names, recordedRules: ruleSets[0].rules)
      let one = try lab.rules("filter")
      let missing = try backend.missing(from: ruleSets[1])
      try backend.remove(ruleSets[1].owner.filterTag, .names, recordedRules: nil)
      return (before, alone, one, missing, try lab.everything())
    }
    #expect(one == alone)
    #expect(missing.isEmpty)
    #expect(after == before)
  }

  @Test func `only one bridge may use a name server address`() throws {
    let (first, second) = (ruleSet("c1"), ruleSet("c2", "br1"))
    let (error, before, after) = try IptablesLab.run { lab in
      let backend = lab.backend
      try backend.add(first)
      let before = try lab.everything()
      do throws(KernelError) {
        try backend.add(second)
        return (nil as KernelError?, before, "")
      } catch { return (error, before, try lab.everything()) }
    }
    #expect(error?.errno == .EEXIST)
    #expect(error?.description.contains("name service at 10.1.0.1") == true)
    #expect(after == before)
  }

  @Test func `on a host that drops unknown packets only the network's own bridge reaches the name server`() throws {
    let (own, others) = (ruleSet("c1"), ruleSet("c2", "br9", at: "10.2.0.1"))
    let answers = try IptablesLab.run { lab in
      let backend = lab.backend
      try backend.add(own)
      try backend.add(others)
      return try lab.shell("\(Self.setUp)\npython3 - $box <<'END'\n\(Self.asking)\nEND")
    }
    #expect(answers == "heard - heard -\nheard - heard -\n")
  }

  /// A container on `br0`, where the host has 10.1.0.1 and 10.2.0.1 and drops what no rule accepts.
  private static let setUp = """
    unshare --net sleep 50 >/dev/null 2>&1 &
    box=$!
    trap 'kill -9 $box' EXIT
    until [ "$(readlink /proc/$box/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
    ip link set lo up
    ip link add br0 type bridge
    ip link add v0 master br0 type veth peer name eth0 netns $box
    for net in 1 2; do
      ip address add 10.$net.0.1/24 dev br0
      nsenter --net=/proc/$box/ns/net ip address add 10.$net.0.2/24 dev eth0
    done
    ip link set br0 up
    ip link set v0 up
    nsenter --net=/proc/$box/ns/net ip link set eth0 up
    iptables-legacy -P INPUT DROP
    iptables-legacy -A INPUT -i lo -j ACCEPT
    """

  /// Tests queries to port 53 of both addresses from the container, to the second from the host, and to another port.
  private static let asking = """
    from ctypes import CDLL
    from os import open as open_file
    from socket import *
    from sys import argv
    host, box = open_file("/proc/self/ns/net", 0), open_file(f"/proc/{argv[1]}/ns/net", 0)
    def enter(namespace):
        if CDLL(None).setns(namespace, 0x40000000): raise SystemExit("setns")
    def heard(kind, address, port, here):
        server = socket(AF_INET, kind)
        server.bind((address, port))
        server.settimeout(0.5)
        if kind == SOCK_STREAM: server.listen()
        enter(here)
        asking = socket(AF_INET, kind)
        asking.settimeout(0.5)
        try:
            asking.connect((address, port))
            if kind == SOCK_DGRAM:
                asking.send(b"x")
                server.recv(1)
            answer = "heard"
        except OSError: answer = "-"
        enter(host)
        return answer
    for kind in SOCK_DGRAM, SOCK_STREAM:
        print(heard(kind, "10.1.0.1", 53, box), heard(kind, "10.2.0.1", 53, box),
              heard(kind, "10.2.0.1", 53, host), heard(kind, "10.1.0.1", 5353, box))
    """
}
