import CNI
import Foundation
import LabSupport
import Testing

typealias Family = Lab.IPFamilyFlag

/// A network of overlay-vxlan over all hosts of a cluster, its containers with an address of each family.
///
/// The number is part of its names, addresses and VNI, so that a cluster can have several.
struct OverlayNetwork: Sendable {
  /// What kind of network; the peers of `l2` and `l3` are in the configuration or in a file that all hosts read.
  enum Kind: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case l2, l3, multicast

    var testDescription: String { rawValue }
    var isRouted: Bool { self == .l3 }
  }

  let cluster: Cluster
  let kind: Kind
  let number: Int
  /// What the VXLAN packets travel by.
  var underlay = Family.v4
  /// Whether the peers are in `peersFile`, which `writePeers` fills.
  var readsFile = false
  /// Further members of the configuration, which win; in them `LOCAL` is the host's own address below.
  var keys = JSONValue.object([:])
  var name: String { "net\(number)" }
  var vni: Int { 100 + number }
  var vxlan: String { "vx-\(name)" }
  var bridge: String { "ov-\(name)" }
  var peersFile: String { "\(cluster.hosts[0].directory)/\(name)-peers.json" }
  /// What fits a frame of the underlay of 1500 bytes: VXLAN, UDP, IP and Ethernet headers take 50 bytes, or 70.
  var mtu: Int { underlay == .v4 ? 1450 : 1430 }

  /// The whole network's prefix of each family.
  var prefixes: [String] {
    kind.isRouted
      ? ["10.\(80 + number).0.0/16", "fd88:\(number)::/32"] : ["10.77.\(number).0/24", "fd77:\(number)::/64"]
  }

  /// The part of it that a host's containers have.
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

  /// A peer as the configuration and the file have it.
  func peer(_ host: Int) -> JSONValue {
    var peer = JSONValue.object(["vtep": .string(cluster.underlay(host, underlay))])
    if kind.isRouted { peer = peer.with("subnets", .array(subnets(of: host).map { .string($0) })) }
    return peer
  }

  /// Makes the file that all hosts read tell of these hosts.
  func writePeers(_ hosts: [Int]) throws {
    let text = JSONValue.object(["peers": .array(hosts.map(peer))]).line
    try text.write(toFile: peersFile, atomically: true, encoding: .utf8)
  }

  /// What the plugin reads on a host.
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
      // Routed, a host finds its own subnets there; otherwise nobody needs to tell a host of itself.
      let told = cluster.hosts.indices.filter { kind.isRouted || $0 != host }
      return .object(["type": "static", "peers": .array(told.map(peer))])
    }
  }

  /// One subnet for all hosts has a range for each; routed, the plugin tells IPAM the host's own subnets.
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

  /// The host's end of it.
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

  /// Attaches these containers of every host.
  func attachEverywhere(_ containers: [Int]) throws -> [Attachment] {
    try cluster.hosts.indices.flatMap { host in try containers.map { try attach($0, on: host) } }
  }

  /// Rules, and files of what was done, that a host still has; what IPAM keeps to be quick left out.
  func remains(on host: Int) throws -> String {
    let lab = cluster.hosts[host]
    return try lab.shell(
      "nft list ruleset; find /run/swift-cni -type f ! -name '*lock*' ! -path '*/ipam/*'", in: lab.host)
  }

  /// GC with nothing valid any more.
  func collectGarbage(on host: Int = 0) throws {
    try cluster.hosts[host].ask(
      "GC", config(on: host).with("cni.dev/valid-attachments", .array([])), plugin: "overlay-vxlan"
    ).requireSuccess()
  }
}
