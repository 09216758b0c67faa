public import CNI
import Foundation
public import LabSupport

/// The network of the example on all hosts of a fabric; its number is part of its name, VNI and addresses.
public struct Network: Sendable {
  public let fabric: Fabric
  public let number: Int
  /// Further members of the configuration, which take precedence.
  public var keys = JSONValue.object([:])

  public init(fabric: Fabric, number: Int, keys: JSONValue = .object([:])) {
    self.fabric = fabric
    self.number = number
    self.keys = keys
  }

  public var name: String { "evpn\(number)" }
  public var vxlan: String { "vx-\(name)" }
  public var bridge: String { "ov-\(name)" }
  public var gateways: [String] { ["10.\(100 + number).0.1", "fd00:10:\(100 + number)::1"] }

  /// The example with a separate range for each host: in network 1 the first host has 10.101.11.0 to 10.101.11.255.
  public func config(on host: Int) throws -> JSONValue {
    let text = try String(contentsOfFile: "\(Router.files)/65-evpn.conflist", encoding: .utf8)
      .replacing("100", with: "\(100 + number)").replacing("13", with: "\(11 + host)")
    guard let plugin = try JSONValue(json: text).at("plugins.0"), let ipam = plugin.at("ipam") else {
      throw WaitTimeout(what: "read the example")
    }
    return plugin.merging(.object(["cniVersion": "1.1.0", "name": .string(name)]))
      .with("ipam", ipam.with("dataDir", .string(fabric.cluster.hosts[host].dataDir))).merging(keys)
  }

  /// The network with these addresses requested for the next containers, on any host.
  public func requesting(for addresses: [String]) -> Network {
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

  public func add(_ container: Int = 1, on host: Int = 0, as interface: String = "eth0") throws -> Outcome {
    try fabric.cluster.hosts[host].add(config(on: host), to: container, as: interface, plugin: "overlay-vxlan")
  }

  public func attach(_ container: Int = 1, on host: Int = 0, as interface: String = "eth0") throws -> Attached {
    let result = try add(container, on: host, as: interface).result()
    return Attached(network: self, host: host, container: container, interface: interface, result: result)
  }

  /// Runs GC without valid attachments, as `cnictl network rm` does.
  public func collectGarbage(on host: Int = 0) throws {
    let config = try config(on: host).with("cni.dev/valid-attachments", .array([]))
    try fabric.cluster.hosts[host].ask("GC", config, plugin: "overlay-vxlan").requireSuccess()
  }

  /// Attaches the containers with these numbers on every host.
  public func attachEverywhere(_ containers: [Int]) throws -> [Attached] {
    try fabric.cluster.hosts.indices.flatMap { host in try containers.map { try attach($0, on: host) } }
  }

  /// The MAC addresses on other hosts that the FDB of the host's VXLAN device has.
  public func remoteMACs(on host: Int) throws -> [String] {
    let lab = fabric.cluster.hosts[host]
    return try lab.json("bridge -j fdb show dev \(vxlan)", in: lab.host).list("")
      .filter { $0.text("dst") != nil }.compactMap { $0.text("mac") }.sorted()
  }

  /// Addresses on other hosts for which the routing daemon wrote neighbour entries; without link-local addresses.
  public func remoteAddresses(on host: Int) throws -> [String] {
    let lab = fabric.cluster.hosts[host]
    return try lab.json("ip -j neigh show dev \(bridge)", in: lab.host).list("")
      .filter { $0.at("extern_learn") != nil }.compactMap { $0.text("dst") }
      .filter { !$0.hasPrefix("fe80") }.sorted()
  }

  /// Forwarding entries of the containers' ports, and neighbours of the bridge, set on this host; without those
  /// that each link has for its own MAC address.
  public func ownEntries(on host: Int) throws -> [String] {
    let lab = fabric.cluster.hosts[host]
    return try lab.shell(
      """
      bridge fdb show br \(bridge) | grep -v permanent | grep -v 'dev \(vxlan)' || true
      ip neigh show dev \(bridge) nud permanent | grep -v extern_learn || true
      """, in: lab.host
    ).split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }.sorted()
  }
}

/// A container's interface on a network.
public struct Attached: Sendable, CustomStringConvertible {
  public var network: Network
  public var host: Int
  public var container: Int
  public var interface: String
  public var result: JSONValue

  public var lab: Lab { network.fabric.cluster.hosts[host] }
  public var namespace: String { lab.container(container) }
  public var description: String { "\(network.name) host \(host) container \(container)" }

  /// The container's address of each family.
  public var addresses: [String] {
    result.list("ips").compactMap { $0.text("address")?.split(separator: "/").first.map(String.init) }
  }

  public var mac: String? {
    result.list("interfaces").first { $0.text("sandbox") != nil }?.text("mac")
  }

  public func check() throws -> Outcome {
    try lab.check(network.config(on: host), result, on: container, as: interface, plugin: "overlay-vxlan")
  }

  /// Runs DEL, which does not need the container's namespace.
  public func delete() throws {
    try lab.delete(network.config(on: host), from: container, as: interface, plugin: "overlay-vxlan").requireSuccess()
  }
}
