import CNI
import EtcdSupport
import Foundation
import LabSupport
import Testing

/// Three hosts on a switch; each runs a member of one etcd cluster.
struct Site {
  let cluster: Cluster
  let etcd: EtcdCluster

  /// Runs `body` with a new site, which is removed afterwards, also after an error.
  ///
  /// `state` names further directories that each host has for itself.
  static func use(
    containers: Int = 3, underlay: Lab.IPFamilyFlag = .v4, defaultRoutes: Bool = false, state: [String] = [],
    _ body: (Site) throws -> Void
  ) throws {
    try Cluster.use(containers: containers, defaultRoutes: defaultRoutes, state: state) { cluster in
      let places = cluster.hosts.indices.map { index in
        EtcdCluster.MemberAddress(cluster.underlay(index, underlay), in: cluster.hosts[index].host)
      }
      try EtcdCluster.use(at: places) { try body(Site(cluster: cluster, etcd: $0)) }
    }
  }

  /// The keys below a prefix in etcd.
  func keys(_ prefix: String, at member: Int = 0) throws -> [String] {
    try etcd.control(["get", "--prefix", prefix, "--keys-only"], at: member).split(separator: "\n").map(String.init)
  }

  /// Sends all probes at the same time, and expects that all or none are answered.
  func expect(_ probes: [Probe], answered: Bool, sourceLocation: SourceLocation = #_sourceLocation) throws {
    let answers = try cluster.answers(to: probes)
    let wrong = zip(probes, answers).compactMap { probe, answer -> String? in
      let isAnswered = if case .by = answer { true } else { false }
      return isAnswered == answered ? nil : "\(probe.namespace) to \(probe.address): \(answer)"
    }
    #expect(wrong == [], sourceLocation: sourceLocation)
  }
}

/// A network of overlay-vxlan with the control plane etcd; the number is part of its names and addresses.
struct EtcdNetwork {
  let site: Site
  var number = 1
  var mode = "l3"
  var underlay = Lab.IPFamilyFlag.v4
  var leaseSeconds = 86400
  /// Whether the plugin determines a host's VTEP from its default route.
  var looksForAddress = false
  /// Further members of the configuration.
  var keys = JSONValue.object([:])
  var name: String { "net\(number)" }
  var prefix: String { "/\(name)" }
  var vxlan: String { "vx-\(name)" }
  var mtu: Int { underlay == .v4 ? 1450 : 1430 }

  private var endpoints: JSONValue { .array(site.etcd.endpoints.map { .string($0) }) }

  var prefixes: [String] {
    mode == "l3"
      ? ["10.\(80 + number).0.0/16", "fd88:\(number)::/48"] : ["10.77.\(number).0/24", "fd77:\(number)::/64"]
  }

  func config(on host: Int) -> JSONValue {
    let lab = site.cluster.hosts[host]
    var ipam: [String: JSONValue] = ["type": "host-local", "dataDir": .string(lab.dataDir)]
    if mode == "l2" {
      ipam = [
        "type": "ipam-etcd", "endpoints": endpoints, "node": .string("host\(host)"),
        "ranges": .array(prefixes.map { .array([.object(["subnet": .string($0)])]) }),
      ]
    }
    return .object([
      "cniVersion": "1.1.0", "name": .string(name), "type": "overlay-vxlan", "mode": .string(mode),
      "vni": .integer(Int64(100 + number)), "network": .array(prefixes.map { .string($0) }),
      "local": looksForAddress ? "auto" : .string(site.cluster.underlay(host, underlay)), "ipam": .object(ipam),
      "controlPlane": .object([
        "type": "etcd", "endpoints": endpoints, "prefix": .string(prefix),
        "leaseTTL": .integer(Int64(leaseSeconds)),
      ]),
    ]).merging(keys)
  }

  /// `labels` is `args.cni.labels`.
  func add(_ container: Int, on host: Int, labels: String? = nil) throws -> Outcome {
    let interface = "eth\(number - 1)"
    return try site.cluster.hosts[host].add(
      config(on: host).with(labels: labels), to: container, as: interface, plugin: "overlay-vxlan")
  }

  func attach(_ container: Int, on host: Int, labels: String? = nil) throws -> Attached {
    let result = try add(container, on: host, labels: labels).result()
    let addresses = result.list("ips").compactMap { $0.text("address")?.split(separator: "/").first.map(String.init) }
    return Attached(
      network: self, host: host, container: container, addresses: addresses, result: result, labels: labels)
  }

  func ask(_ command: String, on host: Int) throws -> Outcome {
    try site.cluster.hosts[host].ask(command, config(on: host), plugin: "overlay-vxlan")
  }

  /// Runs `cnictl` with this network configured on a host.
  func cnictl(_ arguments: String, on host: Int) throws -> String {
    let lab = site.cluster.hosts[host]
    return try lab.shell("\(try command(arguments, on: host)) 2>&1", in: lab.host)
  }

  private func command(_ arguments: String, on host: Int) throws -> String {
    let directory = "\(site.cluster.hosts[host].directory)/conf"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    try config(on: host).line.write(toFile: "\(directory)/\(name).conf", atomically: true, encoding: .utf8)
    return "\(Binaries.ours)/cnictl \(arguments) --conf-dir \(directory)"
  }

  /// Follows etcd on a host while `body` runs.
  func watching(on host: Int, _ body: () throws -> Void) throws { try watching(on: host) { (_) in try body() } }

  /// `body` gets the process ID of the watch.
  func watching(on host: Int, _ body: (String) throws -> Void) throws {
    let lab = site.cluster.hosts[host]
    let log = "\(lab.directory)/\(name)-watch.log"
    let watch = try command("overlay sync --watch --interval 2", on: host)
    let pid = try lab.shell("\(watch) > \(log) 2>&1 & echo $!", in: lab.host)
      .trimmingCharacters(in: .whitespacesAndNewlines)
    defer { _ = try? lab.shell("kill \(pid)", in: lab.host) }  // the exit status does not matter
    let hasLock = "flock --nonblock --shared /run/swift-cni/overlay/\(name).sync true"
    try eventually("\(name) is followed on host \(host)") {
      try lab.run("/bin/sh", ["-c", "test -e /run/swift-cni/overlay/\(name).sync && ! \(hasLock)"], in: lab.host)
        .isSuccess
    }
    try body(pid)
  }
}

/// A container on this network.
struct Attached {
  var network: EtcdNetwork
  var host: Int
  var container: Int
  var addresses: [String]
  var result: JSONValue
  var labels: String?

  var lab: Lab { network.site.cluster.hosts[host] }
  var namespace: String { lab.container(container) }
  private var interface: String { "eth\(network.number - 1)" }

  func delete() throws -> Outcome {
    try lab.delete(network.config(on: host), from: container, as: interface, plugin: "overlay-vxlan")
  }

  func check() throws -> Outcome {
    try lab.check(
      network.config(on: host).with(labels: labels), result, on: container, as: interface, plugin: "overlay-vxlan")
  }
}

extension JSONValue {
  /// With `args.cni.labels`.
  fileprivate func with(labels: String?) throws -> JSONValue {
    guard let labels else { return self }
    return with("args", .object(["cni": .object(["labels": try JSONValue(json: labels)])]))
  }
}

extension [Attached] {
  /// Pings between all attachments with the full MTU, more than 1400 bytes, and without fragmentation.
  var mutual: [Probe] {
    flatMap { from in
      filter { $0.namespace != from.namespace }.flatMap { to in
        to.addresses.map { address in
          Probe(
            from: from.namespace, to: address, .ping, 0, patience: 45,
            size: from.network.mtu - (address.contains(":") ? 48 : 28))
        }
      }
    }
  }

  func towards(_ others: [Attached], patience: Double = 1) -> [Probe] {
    flatMap { from in
      others.flatMap(\.addresses).map { Probe(from: from.namespace, to: $0, .ping, 0, patience: patience) }
    }
  }
}

/// Repeats a condition until it is true.
func eventually(_ what: String, _ isSo: () throws -> Bool) throws {
  for _ in 0..<600 {
    if try isSo() { return }
    Thread.sleep(forTimeInterval: 0.1)
  }
  Issue.record("not within 60 s: \(what)")
}
