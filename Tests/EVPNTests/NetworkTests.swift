import CNI
import EVPNSupport
import LabSupport
import Testing

/// Containers on three hosts, which FRR announces to each other.
@Suite(.needsRoot) struct NetworkTests {
  @Test func `containers reach all containers of their network and none of another network`() throws {
    try Fabric.use(containers: 6) { fabric in
      let networks = (1...2).map { Network(fabric: fabric, number: $0) }
      let first = try networks[0].attachEverywhere([1, 2, 3])
      let second = try networks[1].attachEverywhere([4, 5, 6])
      try fabric.awaitReach(first, first)
      try fabric.awaitReach(second, second)
      #expect(try fabric.reached(first, second) == [])
      #expect(try fabric.reached(second, first) == [])
      for attachment in first + second { #expect(try attachment.check().complaint == "") }
    }
  }

  @Test func `other hosts know a container before it sends anything`() throws {
    try Fabric.use(containers: 1) { fabric in
      let network = Network(fabric: fabric, number: 1)
      let attachments = try network.attachEverywhere([1])
      for host in 0..<3 {
        let others = attachments.filter { $0.host != host }
        let wanted = others.flatMap(\.addresses).sorted()
        try eventually("host \(host) answers for \(wanted)") { try network.remoteAddresses(on: host) == wanted }
        let macs = try network.remoteMACs(on: host)
        #expect(others.compactMap(\.mac).count == 2 && others.compactMap(\.mac).allSatisfy(macs.contains))
      }
      // Entries with `extern_learn` were set by a program; entries that a bridge learns from frames do not have it.
      let entries = try network.ownEntries(on: 0)
      let mac = try #require(attachments[0].mac)
      #expect(entries.contains { $0.hasPrefix(mac) && $0.contains("extern_learn") }, "\(entries)")
      for address in attachments[0].addresses {
        #expect(entries.contains { $0.hasPrefix("\(address) lladdr \(mac)") }, "\(entries)")
      }
    }
  }

  @Test func `DEL withdraws the container on other hosts, and the last DEL leaves nothing on this host`() throws {
    try Fabric.use { fabric in
      let network = Network(fabric: fabric, number: 1)
      let attachments = try network.attachEverywhere([1, 2])
      try fabric.awaitReach(attachments, attachments)
      let gone = attachments.filter { $0.host == 0 }
      try gone[0].delete()
      let left = attachments.filter { $0.host != 2 && ($0.host != 0 || $0.container == 2) }
      try eventually("host 2 forgot one container", { try knows(network, left) }) { try remoteEntries(network) }
      try gone[1].delete()
      try gone[1].delete()
      let entries = try network.ownEntries(on: 0)
      #expect(entries == [])
      try eventually("host 2 forgot both", { try knows(network, left.filter { $0.host != 0 }) }) {
        try remoteEntries(network)
      }
      let others = attachments.filter { $0.host != 0 }
      try fabric.awaitReach(others, others)
    }
  }

  /// Whether the last host knows exactly these containers.
  private func knows(_ network: Network, _ containers: [Attached]) throws -> Bool {
    let macs = try network.remoteMACs(on: 2).filter { $0.hasPrefix("02:42") }
    return try network.remoteAddresses(on: 2) == containers.flatMap(\.addresses).sorted()
      && macs == containers.compactMap(\.mac).sorted()
  }

  private func remoteEntries(_ network: Network) throws -> String {
    "\(try network.remoteMACs(on: 2)) \(try network.remoteAddresses(on: 2))"
  }

  @Test func `FRR that starts after the containers announces them`() throws {
    try Fabric.use(containers: 1, isRunning: false) { fabric in
      let network = Network(fabric: fabric, number: 1)
      let attachments = try network.attachEverywhere([1])
      let early = try fabric.reached(Array(attachments[..<2]), Array(attachments[2...]))
      #expect(early == [])
      try fabric.start([0, 1, 2])
      for host in 0..<3 {
        let wanted = attachments.filter { $0.host != host }.flatMap(\.addresses).sorted()
        try eventually("host \(host) answers for \(wanted)") { try network.remoteAddresses(on: host) == wanted }
      }
      try fabric.awaitReach(attachments, attachments)
    }
  }

  @Test func `the gateway has one MAC address on all hosts, and only the local host answers for it`() throws {
    try Fabric.use(containers: 1) { fabric in
      let network = Network(fabric: fabric, number: 1)
      let attachments = try network.attachEverywhere([1])
      try fabric.awaitReach(attachments, attachments)
      let links = try fabric.cluster.hosts.map { try $0.link(network.bridge, in: $0.host)?.text("address") }
      #expect(Set(links).count == 1 && links[0] != nil)
      let lab = attachments[0].lab, elsewhere = fabric.cluster.hosts[1]
      for host in fabric.cluster.hosts {
        #expect(
          try host.addresses(of: network.bridge, in: host.host) == ["10.101.0.1/16", "fd00:10:101::1/64"])
      }
      let received = try elsewhere.captured(on: network.vxlan, in: elsewhere.host) {
        try lab.shell(
          """
          ip neigh flush dev eth0
          ping -nq -c3 -i0.1 -W2 10.101.0.1 > /dev/null && ping -nq -c3 -i0.1 -W2 fd00:10:101::1 > /dev/null
          # What nobody is known to have is asked everywhere.
          ping -nq -c1 -W0.2 10.101.0.99 > /dev/null || true
          """, in: attachments[0].namespace)
      }
      #expect(received.contains { $0.hasSuffix("arp \(attachments[0].addresses[0]) 10.101.0.99") }, "\(received)")
      #expect(!received.contains { $0.hasSuffix(" 10.101.0.1") || $0.contains("icmp") }, "\(received)")
      #expect(!received.contains { $0.contains(" ns ") && $0.contains("ff02::1:ff00:1") }, "\(received)")
    }
  }

  @Test func `a VTEP address that the host does not have is refused`() throws {
    try Cluster.use(hosts: 1, containers: 1) { cluster in
      let network = Network(
        fabric: Fabric(cluster: cluster, routers: []), number: 1, keys: .object(["local": "172.30.0.99"]))
      let lab = cluster.hosts[0]
      try lab.shell("ip link set lo up", in: lab.container(1))
      let before = try Snapshot(of: lab)
      let outcome = try network.add()
      #expect(outcome.code == 7 && outcome.complaint.contains("172.30.0.99"), "\(outcome)")
      try lab.expectUnchanged(since: before)
    }
  }
}
