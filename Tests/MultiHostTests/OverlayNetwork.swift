import CNI
import Foundation
import LabSupport
import Testing

typealias Family = Lab.IPFamilyFlag

/// A network of overlay-vxlan on all hosts of a cluster; its containers have an address of each family.
///
/// The number is part of its names, addresses and VNI, so that a cluster can have several.
struct OverlayNetwork: Sendable {
  /// The mode and control plane; the peers of `l2` and `l3` are in the configuration or in a file that all hosts read.
  enum Kind: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case l2, l3, multicast

    var testDescription: String { rawValue }
    var isRouted: Bool { self == .l3 }
  }

  let cluster: Cluster
  let kind: Kind
  let number: Int
  /// The address family of the VXLAN packets.
  var underlay = Family.v4
  /// Whether the peers are in `peersFile`, which `writePeers` fills.
  var readsFile = false
  /// Further members of the configuration, which take precedence; `LOCAL` stands for the host's underlay address.
  var keys = JSONValue.object([:])
  var name: String { "net\(number)" }
  var vni: Int { 100 + number }
  var vxlan: String { "vx-\(name)" }
  var bridge: String { "ov-\(name)" }
  var peersFile: String { "\(cluster.hosts[0].directory)/\(name)-peers.json" }
  /// The MTU if the underlay has 1500: VXLAN, UDP, IP and Ethernet headers take 50 bytes, or 70 over IPv6.
  var mtu: Int { underlay == .v4 ? 1450 : 1430 }

  /// The whole network's prefix of each family.
  var prefixes: [String] {
    kind.isRouted
      ? ["10.\(80 + number).0.0/16", "fd88:\(number)::/32"] : ["10.77.\(number).0/24", "fd77:\(number)::/64"]
  }

  /// The subnets of a host's containers.
  func subnets(of host: Int) -> [String] {
    kind.isRouted ? ["10.\(80 + number).\(host + 1).0/24", "fd88:\(number):\(host + 1)::/64"] : prefixes
  }

  /// The gateway's address of each family, on a host.
  func gateways(of host: Int) -> [String] {
    kind.isRouted
      ? ["10.\(80 + number).\(host + 1).1", "fd88:\(number):\(host + 1)::1"]
      : ["10.77.\(number).1", "fd77:\(number)::1"]
  }

  /// An address of each family that no container gets.
  func unassignedAddresses(of host: Int) -> [String] {
    gateways(of: host).map { $0.hasSuffix("::1") ? "\($0.dropLast())eeee" : "\($0.dropLast())250" }
  }

  /// A peer, as in the configuration and in the file.
  func peer(_ host: Int) -> JSONValue {
    var peer = JSONValue.object(["vtep": .string(cluster.underlay(host, underlay))])
    if kind.isRouted { peer = peer.with("subnets", .array(subnets(of: host).map { .string($0) })) }
    return peer
  }

  /// Writes these hosts to the file that all hosts read.
  func writePeers(_ hosts: [Int]) throws {
    let text = JSONValue.object(["peers": .array(hosts.map(peer))]).line
    try text.write(toFile: peersFile, atomically: true, encoding: .utf8)
  }

  /// The plugin's configuration on a host.
  func config(on host: Int) throws -> JSONValue {
    var config = JSONValue.object([
      "cniVersion": "1.1.0", "name": .string(name), "type": "overlay-vxlan", "vni": .integer(Int64(vni)),
      "controlPlane": controlPlane(on: host), "ipam": ipam(on: host),
    ])
    switch kind {
    case .l2: config = config.with("mode", "l2")
    case .l3: config = config.with("network", .array(prefixes.map { .string($0) }))
    case .multicast: config = config.with("dev", "eth0")
    }
    return config.merging(try JSONValue(json: keys.line.replacing("LOCAL", with: cluster.underlay(host, underlay))))
  }

  private func controlPlane(on host: Int) -> JSONValue {
    switch kind {
    case .multicast:
      let group = underlay == .v4 ? "239.1.1.\(number)" : "ff05::1:\(number)"
      return .object(["type": "multicast", "group": .string(group)])
    case .l2, .l3:
      if readsFile { return .object(["type": "static", "peersFile": .string(peersFile)]) }
      // In `l3` a host reads its own subnets from the list; in `l2` it needs no entry for itself.
      let listed = cluster.hosts.indices.filter { kind.isRouted || $0 != host }
      return .object(["type": "static", "peers": .array(listed.map(peer))])
    }
  }

  /// In `l2` each host has a range of the common subnet; in `l3` the plugin passes the host's own subnets to IPAM.
  private func ipam(on host: Int) -> JSONValue {
    let ipam = JSONValue.object(["type": "host-local", "dataDir": .string(cluster.hosts[host].dataDir)])
    if kind.isRouted { return ipam }
    let first = 16 + 64 * host
    let ranges = zip(prefixes, gateways(of: host)).map { prefix, gateway -> JSONValue in
      let base = gateway.dropLast()
      let isV6 = prefix.contains(":")
      let ends = [first, first + 63].map { "\(base)\(isV6 ? String($0, radix: 16) : "\($0)")" }
      return .array([
        .object([
          "subnet": .string(prefix), "gateway": .string(gateway), "rangeStart": .string(ends[0]),
          "rangeEnd": .string(ends[1]),
        ])
      ])
    }
    return ipam.with("ranges", .array(ranges))
  }
}

/// One interface of a container of a cluster.
struct Attachment: Sendable, CustomStringConvertible {
  var network: OverlayNetwork
  var host: Int
  var container: Int
  var interface: String
  var result: JSONValue

  var lab: Lab { network.cluster.hosts[host] }
  var namespace: String { lab.container(container) }
  var description: String { "\(network.name) host \(host) container \(container)" }

  /// The container's address of each family.
  var addresses: [String] {
    result.list("ips").compactMap { $0.text("address")?.split(separator: "/").first.map(String.init) }
  }

  var mac: String? { result.list("interfaces").first { $0.text("sandbox") != nil }?.text("mac") }

  /// The host end of the attachment.
  var hostEnd: String? {
    result.list("interfaces").filter { $0.text("sandbox") == nil }.compactMap { $0.text("name") }
      .first { ![network.bridge, network.vxlan].contains($0) }
  }

  func check() throws -> Outcome {
    try lab.check(network.config(on: host), result, on: container, as: interface, plugin: "overlay-vxlan")
  }

  func delete() throws {
    try lab.delete(network.config(on: host), from: container, as: interface, plugin: "overlay-vxlan").requireSuccess()
  }
}

extension OverlayNetwork {
  func add(_ container: Int = 1, on host: Int = 0, as interface: String = "eth0") throws -> Outcome {
    try cluster.hosts[host].add(config(on: host), to: container, as: interface, plugin: "overlay-vxlan")
  }

  func attach(_ container: Int = 1, on host: Int = 0, as interface: String = "eth0") throws -> Attachment {
    let result = try add(container, on: host, as: interface).result()
    return Attachment(network: self, host: host, container: container, interface: interface, result: result)
  }

  /// Attaches the containers with these numbers on every host.
  func attachEverywhere(_ containers: [Int]) throws -> [Attachment] {
    try cluster.hosts.indices.flatMap { host in try containers.map { try attach($0, on: host) } }
  }

  /// The rules and state files that remain on a host, without the indexes of IPAM.
  func remains(on host: Int) throws -> String {
    let lab = cluster.hosts[host]
    return try lab.shell(
      "nft list ruleset; find /run/swift-cni -type f ! -name '*lock*' ! -path '*/ipam/*'", in: lab.host)
  }

  /// Runs GC without valid attachments.
  func collectGarbage(on host: Int = 0) throws {
    try cluster.hosts[host].ask(
      "GC", config(on: host).with("cni.dev/valid-attachments", .array([])), plugin: "overlay-vxlan"
    ).requireSuccess()
  }
}
