import CNI
import Foundation
import LabSupport
import Testing

/// The changes of ADD, and their removal.
@Suite(.needsRoot) struct LifeTests {
  static let variants = ReachTests.variants

  @Test(arguments: variants)
  func `DEL removes only its own interface, and GC removes bridge and VXLAN device`(
    kind: OverlayNetwork.Kind, underlay: Family
  ) throws {
    try Cluster.use(hosts: 2, containers: 2) { cluster in
      let network = OverlayNetwork(cluster: cluster, kind: kind, number: 1, underlay: underlay)
      let lab = cluster.hosts[0]
      for number in 1...2 { try lab.shell("ip link set lo up", in: lab.container(number)) }
      let forwarding = "net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1"
      try lab.shell("sysctl -qw \(forwarding)", in: lab.host)
      let before = try Snapshot(of: lab)
      let first = try network.attach(1), second = try network.attach(2)
      try first.delete()
      #expect(try second.check().complaint == "")
      #expect(try lab.linkNames(in: lab.host).count == 4)
      for _ in 1...2 {
        try first.delete()
        try second.delete()
      }
      #expect(try lab.linkNames(in: lab.host) == ["eth0", network.bridge, network.vxlan])
      let again = try network.attach(1)
      try again.delete()
      #expect(try lab.linkNames(in: lab.host) == ["eth0", network.bridge, network.vxlan])
      try network.collectGarbage()
      try lab.expectUnchanged(since: before)
      let left = try network.remains(on: 0)
      #expect(left == "")
    }
  }

  @Test(arguments: variants)
  func `GC keeps the devices while a container is attached`(kind: OverlayNetwork.Kind, underlay: Family) throws {
    try Cluster.use(hosts: 2, containers: 2) { cluster in
      let network = OverlayNetwork(cluster: cluster, kind: kind, number: 1, underlay: underlay)
      let attachments = try network.attachEverywhere([1, 2])
      let lab = cluster.hosts[0]
      try lab.collectGarbage(network.config(on: 0), keeping: [1], plugin: "overlay-vxlan").requireSuccess()
      #expect(try lab.linkNames(in: lab.container(2)) == [])
      try cluster.expect(attachments.filter { $0.host == 1 || $0.container == 1 }.mutual)
    }
  }

  @Test(arguments: variants)
  func `DEL needs neither the container's namespace nor the peers' file`(
    kind: OverlayNetwork.Kind, underlay: Family
  ) throws {
    try Cluster.use(hosts: 2, containers: 1) { cluster in
      var network = OverlayNetwork(cluster: cluster, kind: kind, number: 1, underlay: underlay)
      network.readsFile = kind != .multicast
      if network.readsFile { try network.writePeers([0, 1]) }
      let lab = cluster.hosts[0]
      _ = try network.attach()
      if network.readsFile { try lab.shell("rm \(network.peersFile)") }
      var call = lab.call("DEL", try network.config(on: 0), on: 1, plugin: "overlay-vxlan")
      call.variables["CNI_NETNS"] = nil
      for _ in 1...2 {
        let outcome = try lab.run(call)
        #expect(outcome.isSuccess, "\(outcome)")
      }
      #expect(try lab.linkNames(in: lab.host) == ["eth0", network.bridge, network.vxlan])
      #expect(try lab.leases(of: network.name) == [])
    }
  }

  @Test(arguments: variants)
  func `links get the underlay's MTU minus the VXLAN overhead`(kind: OverlayNetwork.Kind, underlay: Family) throws {
    try Cluster.use(hosts: 2, containers: 1, mtu: 1600) { cluster in
      let network = OverlayNetwork(cluster: cluster, kind: kind, number: 1, underlay: underlay)
      let lab = cluster.hosts[0], wanted = underlay == .v4 ? "1550" : "1530"
      let attachment = try network.attach()
      let links = [network.vxlan, network.bridge, try #require(attachment.hostEnd)].map { ($0, lab.host) }
      #expect(
        try (links + [("eth0", attachment.namespace)]).map { try lab.link($0, in: $1)?.text("mtu") }
          == [wanted, wanted, wanted, wanted])
      var other = OverlayNetwork(cluster: cluster, kind: kind, number: 2, underlay: underlay)
      other.keys = try JSONValue(json: #"{"mtu": 1531}"#)
      let outcome = try other.add(as: "eth1")
      if underlay == .v4 {
        #expect(outcome.isSuccess, "\(outcome)")
        #expect(try lab.link("eth1", in: attachment.namespace)?.text("mtu") == "1531")
      } else {
        #expect(outcome.code == 7, "\(outcome)")
        #expect(outcome.complaint.contains("1531") && outcome.complaint.contains("1530"))
      }
    }
  }

  @Test(arguments: variants)
  func `addresses that all hosts share skip duplicate address detection`(
    kind: OverlayNetwork.Kind, underlay: Family
  ) throws {
    try Cluster.use(hosts: 2, containers: 1) { cluster in
      let network = OverlayNetwork(cluster: cluster, kind: kind, number: 1, underlay: underlay)
      let attachments = try network.attachEverywhere([1])
      try cluster.expect(attachments.mutual)
      for lab in cluster.hosts {
        // In l2 every host has the gateway address, so DAD would find a duplicate.
        let unsure = try lab.shell("ip -6 address show dev \(network.bridge)", in: lab.host)
        #expect(!unsure.contains("tentative") && !unsure.contains("dadfailed"))
        #expect(try lab.shell("ip -6 address show dev \(network.vxlan) scope link", in: lab.host) == "")
      }
      if !kind.isRouted {
        let macs = try cluster.hosts.map { try $0.link(network.bridge, in: $0.host)?.text("address") }
        #expect(macs[0] != nil && macs[0] == macs[1])
      }
      for attachment in attachments {
        let mac = try attachment.lab.link("eth0", in: attachment.namespace)?.text("address")
        let parts = attachment.addresses[0].split(separator: ".").compactMap { UInt8($0) }
        #expect(mac == (["02", "42"] + parts.map { String(format: "%02x", $0) }).joined(separator: ":"))
      }
    }
  }
}
