import BaseSupport
import CNI
import EtcdSupport
import Foundation
import LabSupport
import Testing

// Group: multihost

@Suite(.needsRoot) struct NamesAcrossHostsTests {
  @Test func `a container is reachable by name from another host until DEL`() throws {
    try NamesCluster.use { net in
      for host in 0..<2 {
        let lab = net.cluster.hosts[host]
        let made = try lab.add(net.overlay(on: host), to: 1, plugin: "overlay-vxlan").result()
        let config = try net.names(on: host).with("prevResult", made)
        try lab.add(config, to: 1, plugin: "dns-hosts").requireSuccess()
      }
      #expect(try net.inside(1, 1, "ping -n -c1 -W2 web01").isSuccess)
      #expect(try net.inside(1, 1, "ping -n -c1 -W2 web01.net").isSuccess)
      // Host 0, which joined first, learns the name of host 1's container only at its next ADD.
      #expect(try net.address(of: "web11", in: 0) == nil)
      try net.join(0, 2).requireSuccess()
      #expect(try net.inside(0, 1, "ping -n -c1 -W2 web11").isSuccess)
      try net.leave(0, 1).requireSuccess()
      try net.join(1, 2).requireSuccess()
      for number in 1...2 {
        #expect(try net.address(of: "web01", in: 1, number) == nil)
        #expect(try net.address(of: "web02", in: 1, number) == NamesCluster.address(0, 2))
      }
    }
  }

  @Test func `cnictl repair adds and removes names of other hosts without an ADD`() throws {
    try NamesCluster.use { net in
      try net.join(0).requireSuccess()
      try net.join(1).requireSuccess()
      #expect(try net.address(of: "web11", in: 0) == nil)
      try net.repair(0)
      #expect(try net.address(of: "web11", in: 0) == NamesCluster.address(1, 1))
      try net.leave(1).requireSuccess()
      try net.repair(0)
      #expect(try net.address(of: "web11", in: 0) == nil)
    }
  }

  @Test func `dnsmasq answers for containers on other hosts`() throws {
    try NamesCluster.use { net in
      let lab = net.cluster.hosts[1], directory = "\(lab.directory)/hostsdir"
      let keys = #"{"hosts": false, "dnsmasq": {"hostsdir": "\#(directory)", "nameserver": "127.0.0.1"}}"#
      let pidFile = "\(lab.directory)/dnsmasq.pid"
      try lab.shell(
        """
        mkdir -p \(directory)
        exec dnsmasq --conf-file=/dev/null --no-resolv --no-hosts --local=/net/ --hostsdir=\(directory) --local-ttl=0 \\
          --listen-address=127.0.0.1 --bind-interfaces --pid-file=\(pidFile) --user=root
        """, in: lab.host)
      defer { _ = try? lab.shell("kill $(cat \(pidFile))", in: lab.host) }  // errors must not hide those of the test
      func expect(_ name: String, _ wanted: String) throws {
        let program = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
          .appending(path: "DNSHostsTrafficTests/ask.py").path()
        let answer = try lab.run(
          "/usr/bin/python3", ["-B", program, "udp", "127.0.0.1", name, "A", wanted], in: lab.host)
        #expect(answer.output.trimmingCharacters(in: .whitespacesAndNewlines) == wanted, "\(answer)")
      }
      try net.join(0).requireSuccess()
      try net.join(1, keys: keys).requireSuccess()
      try expect("web01.net", NamesCluster.address(0, 1))
      try net.leave(0).requireSuccess()
      try net.join(1, 2, keys: keys).requireSuccess()
      try expect("web01.net", "NXDOMAIN")
      try expect("web12.net", NamesCluster.address(1, 2))
    }
  }

  @Test func `a service's name resolves on all hosts while any of them has a back-end`() throws {
    try NamesCluster.use { net in
      let keys = #"{"type": "service", "service": "web", "vip": ["10.66.255.10"], "ports": [{"port": 80}]}"#
      func service(_ command: String, _ host: Int, _ number: Int) throws {
        let config = try net.names(on: host, of: number).merging(try JSONValue(json: keys))
        let lab = net.cluster.hosts[host]
        try lab.run(lab.call(command, config, on: number, plugin: "service")).requireSuccess()
      }
      func expect(_ answer: String?, at host: Int, sourceLocation: SourceLocation = #_sourceLocation) throws {
        try net.repair(host)
        let lines = try net.inside(host, 1, "grep -v '^#' /etc/hosts | grep -w web || true").output.split(
          separator: "\n")
        let wanted = answer.map { address in ["web", "web.net"].map { "\(address)\t\($0)" } } ?? []
        #expect(lines.map(String.init) == wanted, sourceLocation: sourceLocation)
      }
      for host in 0..<2 { try net.join(host).requireSuccess() }
      for host in 0..<2 {
        try service("ADD", host, 2)
        try net.join(host, 2).requireSuccess()
        for other in 0..<2 { try expect("10.66.255.10", at: other) }
      }
      for host in 0..<2 {
        try net.leave(host, 2).requireSuccess()
        try service("DEL", host, 2)
        for other in 0..<2 { try expect(host == 0 ? "10.66.255.10" : nil, at: other) }
      }
    }
  }

  @Test func `one etcd member may fail; without a quorum ADD changes nothing and DEL removes local names`() throws {
    try NamesCluster.use { net in
      try net.join(0).requireSuccess()
      net.etcd.stop(member: 0)
      try net.join(1).requireSuccess()
      #expect(try net.address(of: "web01", in: 1) == NamesCluster.address(0, 1))
      net.etcd.stop(member: 1)
      let before = try net.snapshot(1)
      #expect(try net.join(1, 2).code == 11)
      #expect(try net.snapshot(1) == before)
      #expect(try net.leave(1).code == 11)
      #expect(try net.address(of: "web11", in: 1) == nil)
      for member in 0...1 { try net.etcd.start(member: member, waits: member == 1) }
      #expect(try net.keys(at: 2).contains("/swift-cni/names/net/\(net.cluster.hosts[1].container(1)):eth0"))
      try net.leave(1).requireSuccess()
      try net.join(1, 2).requireSuccess()
      #expect(try net.keys(at: 2).count == 2)
    }
  }

  @Test(arguments: 0..<2)
  func `DEL removes what a killed ADD or DEL left on the host and in etcd`(seed: Int) throws {
    try NamesCluster.use { net in
      try net.join(0).requireSuccess()
      try net.join(1).requireSuccess()
      try net.join(1, 2).requireSuccess()
      try net.leave(1, 2).requireSuccess()
      let (before, keys) = (try net.snapshot(1), try net.keys())
      let lab = net.cluster.hosts[1], config = try net.names(on: 1, of: 2)
      var random = Xorshift(seed: UInt64(seed) + 1), killed = 0
      for round in 0..<12 {
        let isADD = round.isMultiple(of: 2)
        if !isADD { try net.join(1, 2).requireSuccess() }
        let outcome = try lab.run(
          lab.call(isADD ? "ADD" : "DEL", config, on: 2, plugin: "dns-hosts"),
          killedAfter: Int.random(in: 1000...60000, using: &random))
        if outcome.status == 137 { killed += 1 }
        try net.leave(1, 2).requireSuccess()
        #expect(try net.snapshot(1) == before, "round \(round)")
        #expect(try net.keys() == keys, "round \(round)")
      }
      // If no plugin was killed, the delays do not fit the plugin and the test shows nothing.
      #expect(killed > 0)
    }
  }
}
