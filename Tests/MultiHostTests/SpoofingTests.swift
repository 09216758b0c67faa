import CNI
import Foundation
import LabSupport
import Testing

/// Containers that send from MAC and IP addresses of other containers.
@Suite(.needsRoot) struct SpoofingTests {
  static let variants: [(OverlayNetwork.Kind, String)] = [
    (.l2, "{}"), (.l2, #"{"learning": true}"#), (.multicast, "{}"),
  ]

  @Test(arguments: variants)
  func `a container cannot take over a remote container's MAC address or fill the FDB`(
    kind: OverlayNetwork.Kind, keys: String
  ) throws {
    try Cluster.use(containers: 1) { cluster in
      let network = OverlayNetwork(cluster: cluster, kind: kind, number: 1, keys: try JSONValue(json: keys))
      let attachments = try network.attachEverywhere([1])
      try cluster.expect(attachments.mutual)
      let forger = attachments[0], victim = attachments[1], mac = try #require(victim.mac)
      let before = try cluster.hosts.map { try entries(of: mac, network, on: $0) }
      let sizes = try cluster.hosts.map { try tableSize(network, on: $0) }
      try forger.lab.sendForged(from: mac, others: 2000, in: forger.namespace)
      #expect(try cluster.hosts.map { try entries(of: mac, network, on: $0) } == before)
      for (lab, size) in zip(cluster.hosts, sizes) { #expect(try tableSize(network, on: lab) <= size + 10) }
      try cluster.expect(victim.addresses.map { .ping(attachments[2].namespace, $0, true) })
      for attachment in attachments { #expect(try attachment.check().complaint == "") }
    }
  }

  @Test func `with macLearning all hosts learn MAC addresses behind a container up to a limit`() throws {
    try Cluster.use(containers: 1) { cluster in
      let network = OverlayNetwork(
        cluster: cluster, kind: .multicast, number: 1, keys: try JSONValue(json: #"{"macLearning": true}"#))
      let attachments = try network.attachEverywhere([1])
      try cluster.expect(attachments.mutual)
      let forger = attachments[0], mac = try #require(attachments[1].mac)
      let before = try entries(of: mac, network, on: cluster.hosts[2])
      // Frames of the real container can move the entry back at once, so try several times.
      let hasMoved = try (0..<20).contains { _ in
        try forger.lab.sendForged(from: mac, in: forger.namespace)
        return try entries(of: mac, network, on: cluster.hosts[2]) != before
      }
      #expect(hasMoved)
      try forger.lab.sendForged(from: mac, others: 20000, in: forger.namespace)
      for lab in cluster.hosts {
        let size = try tableSize(network, on: lab)
        #expect(size > 500 && size < 16384 + 4096 + 200)
      }
    }
  }

  @Test(arguments: OverlayNetwork.Kind.allCases, [true, false])
  func `packets from an address that IPAM did not assign reach no other host unless ipspoofchk is false`(
    kind: OverlayNetwork.Kind, isChecked: Bool
  ) throws {
    try Cluster.use(hosts: 2, containers: 1) { cluster in
      let keys = isChecked ? "{}" : #"{"ipspoofchk": false}"#
      let network = OverlayNetwork(cluster: cluster, kind: kind, number: 1, keys: try JSONValue(json: keys))
      let attachments = try network.attachEverywhere([1])
      try cluster.expect(attachments.mutual)
      try [attachments[0]].addAddresses(into: network)
      try cluster.expect(
        zip(attachments[1].addresses, network.unassignedAddresses(of: 0)).map { address, stranger in
          .ping(attachments[0].namespace, address, !isChecked, source: stranger)
        })
    }
  }

  @Test(arguments: [OverlayNetwork.Kind.l2, .multicast], [true, false])
  func `a container takes no address or route from router advertisements of another host's container`(
    kind: OverlayNetwork.Kind, hasIPv6: Bool
  ) throws {
    try Cluster.use(containers: 1) { cluster in
      let attachments = try cluster.hosts.indices.map { host in
        var network = OverlayNetwork(cluster: cluster, kind: kind, number: 1)
        if !hasIPv6 { network.keys = network.onlyIPv4(on: host) }
        // One container accepts advertisements, to show that they arrive.
        if host == 1 { network.keys = network.keys.with("acceptRA", .bool(true)) }
        return try network.attach(on: host)
      }
      func found(_ host: Int) throws -> String {
        try cluster.hosts[host].shell("ip -6 addr show dev eth0; ip -6 route", in: attachments[host].namespace)
      }
      for _ in 1...40 where try !found(1).contains("2001:db8:bad") {
        _ = try? cluster.hosts[0].sendRouterAdvertisement(in: attachments[0].namespace)
        Thread.sleep(forTimeInterval: 0.1)
      }
      #expect(try found(1).contains("2001:db8:bad"))
      #expect(try !found(2).contains("2001:db8:bad"))
    }
  }

  /// The FDB entries for a MAC address on a host's bridge and VXLAN device.
  private func entries(of mac: String, _ network: OverlayNetwork, on lab: Lab) throws -> [String] {
    try lab.shell("bridge fdb show dev \(network.vxlan); bridge fdb show br \(network.bridge)", in: lab.host)
      .split(separator: "\n").map(String.init).filter { $0.hasPrefix(mac) }.sorted()
  }

  private func tableSize(_ network: OverlayNetwork, on lab: Lab) throws -> Int {
    try lab.shell("bridge fdb show br \(network.bridge)", in: lab.host).split(separator: "\n").count
  }
}

extension OverlayNetwork {
  /// The network's keys, with only IPv4 addresses for the containers of a host.
  fileprivate func onlyIPv4(on host: Int) -> JSONValue {
    let range = JSONValue.object([
      "subnet": .string(prefixes[0]), "rangeStart": .string("10.77.\(number).\(16 + 64 * host)"),
      "rangeEnd": .string("10.77.\(number).\(79 + 64 * host)"),
    ])
    let ipam = JSONValue.object([
      "type": "host-local", "dataDir": .string(cluster.hosts[host].dataDir), "ranges": .array([.array([range])]),
    ])
    return keys.with("ipam", ipam)
  }
}
