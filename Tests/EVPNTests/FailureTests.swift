import CNI
import EVPNSupport
import Foundation
import LabSupport
import Testing

// Group: multihost

/// Failures of hosts, routing daemons and plugins.
@Suite(.needsRoot) struct FailureTests {
  @Test func `the addresses of a dead host are removed, and the other hosts keep their connections`() throws {
    try Fabric.use(hosts: 4, containers: 1) { fabric in
      let network = Network(fabric: fabric, number: 1)
      let attachments = try network.attachEverywhere([1])
      try fabric.awaitReach(attachments, attachments)
      try fabric.cluster.kill(3)
      let alive = attachments.filter { $0.host != 3 }
      for host in 0..<3 {
        let wanted = alive.filter { $0.host != host }
        try eventually("host \(host) forgot the dead one") {
          try network.remoteAddresses(on: host) == wanted.flatMap(\.addresses).sorted()
            && !network.remoteMACs(on: host).contains(attachments[3].mac ?? "")
        }
        let lab = fabric.cluster.hosts[host]
        #expect(
          try !lab.shell("bridge fdb show dev \(network.vxlan)", in: lab.host).contains(fabric.cluster.underlay(3)))
      }
      try fabric.awaitReach(alive, alive)
    }
  }

  @Test(arguments: ["TERM", "KILL"])
  func `no packet between other hosts is lost if one route reflector dies`(signal: String) throws {
    try Fabric.use(hosts: 4, containers: 1) { fabric in
      let network = Network(fabric: fabric, number: 1)
      let attachments = try network.attachEverywhere([1])
      try fabric.awaitReach(attachments, attachments)
      // Both have announced all routes.
      for host in 1..<4 {
        try eventually("host \(host) has all routes twice") {
          try fabric.routers[host].neighbourCount() == (host < 2 ? 3 : 2)
        }
      }
      let from = attachments[2], to = attachments[3].addresses
      let files = "\(from.lab.directory)/pings"
      try from.lab.shell(
        """
        mkdir \(files)
        ping -nq -i0.05 \(to[0]) > \(files)/v4 2>&1 < /dev/null & echo $! > \(files)/pid4
        ping -nq -i0.05 \(to[1]) > \(files)/v6 2>&1 < /dev/null & echo $! > \(files)/pid6
        """, in: from.namespace)
      if signal == "KILL" { try fabric.routers[0].kill() } else { try fabric.routers[0].stop() }
      try eventually("host 2 and 3 noticed") {
        try [2, 3].allSatisfy { try fabric.routers[$0].neighbourCount() == 1 }
      }
      Thread.sleep(forTimeInterval: 0.5)
      let output = try from.lab.shell(
        """
        kill -INT $(cat \(files)/pid4 \(files)/pid6)
        while [ -d /proc/$(cat \(files)/pid4) ] || [ -d /proc/$(cat \(files)/pid6) ]; do sleep 0.05; done
        cat \(files)/v4 \(files)/v6
        """, in: from.namespace)
      #expect(output.matches(of: /, 0% packet loss/).count == 2, "\(output)")
    }
  }

  @Test func `DEL removes everything here and on other hosts after the plugin was killed at any point`() throws {
    try Fabric.use(hosts: 2, containers: 1) { fabric in
      let network = Network(fabric: fabric, number: 1)
      let other = try network.attach(on: 1)
      try network.attach().delete()
      // Wait first, so that entries from host 1 do not count as changes of the plugin.
      try eventually("host 0 knows host 1") { try network.remoteAddresses(on: 0) == other.addresses.sorted() }
      let lab = fabric.cluster.hosts[0]
      for seed: UInt64 in [3, 4] {
        try lab.expectNothingLeftByKills(of: "overlay-vxlan", network.config(on: 0), seed: seed)
        let left = try network.ownEntries(on: 0)
        #expect(left == [])
      }
      try eventually("host 1 has no remote address") { try network.remoteAddresses(on: 1) == [] }
      #expect(try other.check().complaint == "")
    }
  }

  @Test func `DEL without the container's namespace removes everything`() throws {
    try Fabric.use(hosts: 2, containers: 2) { fabric in
      let network = Network(fabric: fabric, number: 1)
      let other = try network.attach(on: 1)
      let dead = try network.attach(1), alive = try network.attach(2)
      try fabric.awaitReach([other], [dead, alive])
      try dead.lab.shell("ip netns del \(dead.namespace)")
      // The kernel removes the links of a deleted namespace a little later.
      try eventually("its link is gone") { try dead.lab.linkNames(in: dead.lab.host).count == 4 }
      try dead.delete()
      let left = try network.ownEntries(on: 0)
      #expect(!left.contains { entry in dead.addresses.contains { entry.hasPrefix("\($0) ") } }, "\(left)")
      try eventually("host 1 removed its addresses") { try network.remoteAddresses(on: 1) == alive.addresses.sorted() }
      #expect(try alive.check().complaint == "")
    }
  }
}
