import CNI
import Foundation
import LabSupport
import Testing

/// Single keys, verified in the kernel's output.
@Suite(.needsRoot) struct SettingsTests {
  /// Keys, and the values for the VXLAN device in the output of `ip -d -j link`, by path.
  static let table: [(OverlayNetwork.Kind, Family, String, [String: String])] = [
    (.l2, .v4, "{}", ["id": "101", "port": "4789", "local": "172.30.0.11", "learning": "false", "ttl": "0"]),
    (.l3, .v6, "{}", ["id": "101", "port": "4789", "local6": "fd30::11", "learning": "false"]),
    (
      .multicast, .v4, "{}",
      ["group": "239.1.1.1", "link": "eth0", "learning": "true", "local": "172.30.0.11", "limit": "16384"]
    ),
    (.multicast, .v6, "{}", ["group6": "ff05::1:1", "link": "eth0", "learning": "true", "local6": "fd30::11"]),
    (.l3, .v4, #"{"dstport": 8472, "ttl": 9, "df": "set"}"#, ["port": "8472", "ttl": "9", "df": "set"]),
    (.l3, .v4, #"{"df": "inherit", "dev": "eth0"}"#, ["df": "inherit", "link": "eth0"]),
    (.l2, .v4, #"{"local": "LOCAL", "udpcsum": false}"#, ["udp_csum": "false", "local": "172.30.0.11"]),
    (.l2, .v4, #"{"local": "auto", "udpcsum": true}"#, ["udp_csum": "true", "local": "172.30.0.11"]),
    (
      .l3, .v6, #"{"udp6zerocsumtx": true, "udp6zerocsumrx": true}"#,
      ["udp_zero_csum6_tx": "true", "udp_zero_csum6_rx": "true"]
    ),
    (.l2, .v4, #"{"learning": true}"#, ["learning": "true", "limit": "16384"]),
  ]

  @Test(arguments: table)
  func `the VXLAN device has the configured settings`(
    kind: OverlayNetwork.Kind, underlay: Family, keys: String, wanted: [String: String]
  ) throws {
    try Cluster.use(hosts: 2, containers: 1) { cluster in
      let network = OverlayNetwork(
        cluster: cluster, kind: kind, number: 1, underlay: underlay, keys: try JSONValue(json: keys))
      let attachments = try network.attachEverywhere([1])
      let lab = cluster.hosts[0]
      let data = try #require(try lab.link(network.vxlan, in: lab.host)?.at("linkinfo.info_data"))
      #expect(wanted.mapValues { _ in "" }.merging(wanted.keys.map { ($0, data.text($0) ?? "") }) { $1 } == wanted)
      try cluster.expect(attachments.mutual)
    }
  }

  @Test func `txChecksumOffload false applies to the VXLAN device only`() throws {
    try Cluster.use(hosts: 2, containers: 1) { cluster in
      var network = OverlayNetwork(cluster: cluster, kind: .l3, number: 1)
      _ = try network.attach(on: 1)
      #expect(try offloadsChecksums(network.vxlan, cluster.hosts[1]))
      network.keys = try JSONValue(json: #"{"txChecksumOffload": false}"#)
      let attachment = try network.attach()
      #expect(try !offloadsChecksums(network.vxlan, cluster.hosts[0]))
      #expect(try offloadsChecksums("eth0", cluster.hosts[0]))
      #expect(try attachment.check().complaint == "")
    }
  }

  /// Equals tx-checksumming in `ethtool -k` (ETHTOOL_GTXCSUM with SIOCETHTOOL).
  private func offloadsChecksums(_ link: String, _ lab: Lab) throws -> Bool {
    let program = """
      from array import array
      from fcntl import ioctl
      from socket import AF_INET, SOCK_DGRAM, socket
      from struct import pack
      from sys import argv
      value = array("I", [0x16, 0])
      ioctl(socket(AF_INET, SOCK_DGRAM), 0x8946, pack("16sP16x", argv[1].encode(), value.buffer_info()[0]))
      print(value[1])
      """
    let outcome = try lab.run("/usr/bin/python3", ["-c", program, link], in: lab.host)
    try outcome.requireSuccess()
    return outcome.output == "1\n"
  }

  static let names = ["a", "twelve-bytes", "thirteen-byte", "networks.of-marketing_and-development.2"]

  @Test(arguments: names)
  func `a network name too long for a device name is shortened to a unique one`(name: String) throws {
    try Cluster.use(hosts: 2, containers: 2) { cluster in
      func network(_ number: Int, _ name: String) -> OverlayNetwork {
        OverlayNetwork(
          cluster: cluster, kind: .l3, number: number, keys: .object(["name": .string(name)]))
      }
      let attachments = try network(1, name).attachEverywhere([1])
      let links = try cluster.hosts.map { try $0.linkNames(in: $0.host).filter { $0.contains("-") } }
      #expect(links[0] == links[1] && links[0].count == 2)
      if name.utf8.count <= 12 { #expect(links[0] == ["ov-\(name)", "vx-\(name)"]) }
      let others = try network(2, "\(name)!".replacing("!", with: "x")).attachEverywhere([2])
      let lab = cluster.hosts[0]
      #expect(try lab.linkNames(in: lab.host).filter { $0.hasPrefix("vx-") || $0.hasPrefix("ov-") }.count == 4)
      try cluster.expect(attachments.mutual + others.mutual + attachments.unreachable(from: others))
    }
  }

  @Test(arguments: OverlayNetwork.Kind.allCases)
  func `the keys bridge and vxlan set the device names`(kind: OverlayNetwork.Kind) throws {
    try Cluster.use(hosts: 2, containers: 1) { cluster in
      let network = OverlayNetwork(
        cluster: cluster, kind: kind, number: 1,
        keys: try JSONValue(json: #"{"bridge": "mybridge", "vxlan": "mytunnel"}"#))
      let attachments = try network.attachEverywhere([1])
      let lab = cluster.hosts[0]
      #expect(try Set(["mybridge", "mytunnel"]).isSubset(of: lab.linkNames(in: lab.host)))
      try cluster.expect(attachments.mutual)
    }
  }
}
