import PacketFilter
import Testing
import TestSupport
@testable import Iptables

/// The loopback addresses of the host that a container and the host reach.
@Suite(.needsKernel) struct IptablesLoopbackTests {
  /// A container on `br0` that sends packets for 127.0.0.1 to the host, and servers on both.
  ///
  /// `bridge-nf-call-ip6tables` is 0, because with 1 rules of the packet filter have no effect for ::1.
  static let setUp = """
    unshare --net sleep 50 >/dev/null 2>&1 &
    box=$!
    host_server= box_server=
    trap 'kill -9 $box $host_server $box_server' EXIT
    until [ "$(readlink /proc/$box/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
    enter() { nsenter --net=/proc/$box/ns/net "$@"; }
    sysctl -qw net.bridge.bridge-nf-call-iptables=$CALLS net.bridge.bridge-nf-call-ip6tables=0
    ip link set lo up
    ip link add br0 type bridge
    ip link add v0 master br0 type veth peer name eth0 netns $box
    ip address add 10.1.0.1/24 dev br0
    ip address add fd00::1/64 dev br0 nodad
    ip link set br0 up
    ip route add local ::1 dev br0 table local
    ip link set v0 up
    sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.br0.route_localnet=1
    enter sysctl -qw net.ipv4.conf.all.route_localnet=1 net.ipv4.conf.all.rp_filter=0
    enter ip address add 10.1.0.2/24 dev eth0
    enter ip address add fd00::2/64 dev eth0 nodad
    enter ip link set eth0 up
    enter ip route add default via 10.1.0.1
    enter ip -6 route add default via fd00::1
    server='
    from socket import *
    from sys import argv
    listener = socket(AF_INET6)
    listener.bind((argv[1], int(argv[2])))
    listener.listen()
    print(flush=True)
    while True: listener.accept()[0].sendall(argv[3].encode())
    '
    exec 4< <(exec python3 -c "$server" ::ffff:127.0.0.1 9000 host)
    host_server=$!
    exec 5< <(exec nsenter --net=/proc/$box/ns/net python3 -c "$server" :: 80 container)
    box_server=$!
    read -u 4; read -u 5
    ask() { timeout -s KILL 2 bash -c "exec 3<>/dev/tcp/$1/$2; head -c 4 <&3" 2>/dev/null || true; echo; }
    export -f ask
    """

  @Test(arguments: [0, 1])
  func `a container cannot reach the host's loopback address, and the host reaches its published ports`(calls: Int)
    throws
  {
    let answers = try IptablesLab.run { lab in
      let backend = lab.backend
      try backend.add(
        RuleSet(
          owner("c1"), .ports,
          [published(8080, to: "10.1.0.2") { $0.hostIP = ip("127.0.0.1") }, published(8080, to: "fd00::2")]))
      return try lab.shell(
        """
        CALLS=\(calls)
        \(Self.setUp)
        enter bash -c 'ask 127.0.0.1 9000; ask 127.0.0.1 8080'
        ask 127.0.0.1 8080
        ask ::1 8080
        iptables-legacy -D INPUT 1
        enter bash -c 'ask 127.0.0.1 9000'
        """)
    }
    // The last answer shows that only the guard blocked the container.
    #expect(answers == "\n\ncont\ncont\nhost\n")
  }

  @Test func `the loopback guard stays while a port is published`() throws {
    let (guards, missing, back) = try IptablesLab.run { lab in
      let backend = lab.backend
      let ruleSets = [("c1", "10.1.0.2", 80), ("c2", "10.1.0.3", 81)].map { container, target, port in
        RuleSet(owner(container), .ports, [published(UInt16(port), to: target)])
      }
      func guards() throws -> Int { try lab.rules("filter").count { $0.hasPrefix("-A INPUT") } }
      for ruleSet in ruleSets { try backend.add(ruleSet) }
      var counts = [try guards()]
      try lab.shell("iptables-legacy -F INPUT")
      let missing = try ruleSets.map { try backend.missing(from: $0) == $0.rules }
      try backend.remove(ruleSets[0].owner.filterTag, .ports, recordedRules: ruleSets[0].rules)
      try backend.add(ruleSets[0])
      let back = try ruleSets.flatMap { try backend.missing(from: $0) }
      for (ruleSet, recordedRules) in zip(ruleSets, [ruleSets[0].rules, nil]) {
        counts.append(try guards())
        try backend.remove(ruleSet.owner.filterTag, .ports, recordedRules: recordedRules)
      }
      return (counts + [try guards()], missing, back)
    }
    #expect(guards == [1, 1, 1, 0])
    #expect(missing == [true, true])
    #expect(back.isEmpty)
  }
}
