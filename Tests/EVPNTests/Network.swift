import CNI
import Foundation
import LabSupport

/// The example's network over all hosts of a fabric; its number is part of its name, VNI and addresses.
struct Network: Sendable {
  let fabric: Fabric
  let number: Int
  /// Further members of the configuration, which win.
  var keys = JSONValue.object([:])

  var name: String { "evpn\(number)" }
  var vxlan: String { "vx-\(name)" }
  var bridge: String { "ov-\(name)" }
  var gateways: [String] { ["10.\(100 + number).0.1", "fd00:10:\(100 + number)::1"] }

  /// The example with a range of its own for the host: 10.101.11.0 to 10.101.11.255 for the first host in network 1.
  func config(on host: Int) throws -> JSONValue {
    let text = try String(contentsOfFile: "\(Router.files)/65-evpn.conflist", encoding: .utf8)
      .replacing("100", with: "\(100 + number)").replacing("13", with: "\(11 + host)")
    guard let plugin = try JSONValue(json: text).at("plugins.0"), let ipam = plugin.at("ipam") else {
      throw InVain(what: "read the example")
    }
    return plugin.merging(.object(["cniVersion": "1.1.0", "name": .string(name)]))
      .with("ipam", ipam.with("dataDir", .string(fabric.cluster.hosts[host].dataDir))).merging(keys)
  }

  /// The network with these addresses for the next containers, wherever they are.
  func asking(for addresses: [String]) -> Network {
    var network = self
    let ips = addresses.map { JSONValue.string("\($0)/\($0.contains(":") ? 64 : 16)") }
    let ranges = [["10.\(100 + number).0.0/16"], ["fd00:10:\(100 + number)::/64"]].map {
      JSONValue.array($0.map { .object(["subnet": .string($0)]) })
    }
    network.keys = keys.merging(
      .object([
        "runtimeConfig": .object(["ips": .array(ips)]),
        "ipam": .object([
          "type": "ipam-host-local", "ranges": .array(ranges),
          "dataDir": .string("\(fabric.cluster.hosts[0].directory)/moving-\(UInt32.random(in: 0 ... .max))"),
        ]),
      ]))
    return network
  }

  func add(_ container: Int = 1, on host: Int = 0) throws -> Outcome {
    try fabric.cluster.hosts[host].add(config(on: host), to: container, plugin: "overlay-vxlan")
  }

  func attach(_ container: Int = 1, on host: Int = 0) throws -> Attachment {
    Attachment(network: self, host: host, container: container, result: try add(container, on: host).result())
  }

  /// Attaches these containers of every host.
  func attachEverywhere(_ containers: [Int]) throws -> [Attachment] {
    try fabric.cluster.hosts.indices.flatMap { host in try containers.map { try attach($0, on: host) } }
  }

  /// What the host's VXLAN device and its bridge know of hardware addresses elsewhere.
  func remoteMACs(on host: Int) throws -> [String] {
    let lab = fabric.cluster.hosts[host]
    return try lab.json("bridge -j fdb show dev \(vxlan)", in: lab.host).list("")
      .filter { $0.text("dst") != nil }.compactMap { $0.text("mac") }.sorted()
  }

  /// Addresses that the host answers for on behalf of others, as its routing daemon told; no link-local ones.
  func remoteAddresses(on host: Int) throws -> [String] {
    let lab = fabric.cluster.hosts[host]
    return try lab.json("ip -j neigh show dev \(bridge)", in: lab.host).list("")
      .filter { $0.at("extern_learn") != nil }.compactMap { $0.text("dst") }
      .filter { !$0.hasPrefix("fe80") }.sorted()
  }

  /// Forwarding entries of the containers' ports and neighbours of the bridge that somebody on this host set, those that
  /// each link has of itself left out.
  func ownEntries(on host: Int) throws -> [String] {
    let lab = fabric.cluster.hosts[host]
    return try lab.shell(
      """
      bridge fdb show br \(bridge) | grep -v permanent | grep -v 'dev \(vxlan)' || true
      ip neigh show dev \(bridge) nud permanent | grep -v extern_learn || true
      """, in: lab.host
    ).split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }.sorted()
  }
}

/// A container's interface eth0 on a network.
struct Attachment: Sendable, CustomStringConvertible {
  var network: Network
  var host: Int
  var container: Int
  var result: JSONValue

  var lab: Lab { network.fabric.cluster.hosts[host] }
  var namespace: String { lab.container(container) }
  var description: String { "\(network.name) host \(host) container \(container)" }

  /// The container's address of each family.
  var addresses: [String] {
    result.list("ips").compactMap { $0.text("address")?.split(separator: "/").first.map(String.init) }
  }

  var mac: String? {
    result.list("interfaces").first { $0.text("sandbox") != nil }?.text("mac")
  }

  func check() throws -> Outcome {
    try lab.check(network.config(on: host), result, on: container, plugin: "overlay-vxlan")
  }

  /// DEL, which does not need the container's namespace.
  func delete() throws {
    try lab.delete(network.config(on: host), from: container, plugin: "overlay-vxlan").requireSuccess()
  }
}
