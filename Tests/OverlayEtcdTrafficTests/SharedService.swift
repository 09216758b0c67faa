import CNI
import EtcdSupport
import Foundation
import LabSupport
import Testing

/// A service in a routed network of three hosts, which share it through etcd.
struct SharedService {
  let site: Site
  let network: EtcdNetwork
  var scheduler = "roundRobin"
  var leaseSeconds = 86400
  /// One of each family, in no subnet of the network.
  static let vips = ["10.99.0.10", "fd99::10"]
  static let hostPort = 8001

  init(_ site: Site, mode: String = "l3") {
    self.site = site
    // With bridge-nf-call-iptables a container reaches itself only through a hairpin port.
    network = EtcdNetwork(site: site, mode: mode, keys: .object(["hairpinMode": .bool(true)]))
  }

  /// Runs `body`; the switch has routes to the virtual addresses through the first host.
  static func use(
    containers: Int = 2, filtersBridges: Bool = true, _ body: (SharedService) throws -> Void
  ) throws {
    try Site.use(containers: containers) { site in
      for host in site.cluster.hosts {
        try host.shell(
          "for f in call-iptables call-ip6tables; do echo \(filtersBridges ? 1 : 0) > /proc/sys/net/bridge/bridge-nf-$f; done",
          in: host.host)
      }
      for (vip, family) in zip(vips, [Lab.IPFamilyFlag.v4, .v6]) {
        try site.cluster.onSwitch("ip \(family.rawValue) route add \(vip) via \(site.cluster.underlay(0, family))")
      }
      try body(SharedService(site))
    }
  }

  func config(on host: Int, weight: Int = 1, _ keys: String = "{}") throws -> JSONValue {
    let endpoints = site.etcd.endpoints.map { "\"\($0)\"" }.joined(separator: ", ")
    return try JSONValue(
      json: #"""
        {"cniVersion": "1.1.0", "name": "\#(network.name)", "type": "service", "service": "web",
         "vip": ["\#(Self.vips[0])", "\#(Self.vips[1])"], "scheduler": "\#(scheduler)", "weight": \#(weight),
         "ports": [{"port": 8000, "targetPort": 80}, {"port": 8000, "targetPort": 81, "protocol": "udp"}],
         "publish": [{"hostPort": \#(Self.hostPort), "protocol": "tcp"}],
         "etcd": {"endpoints": [\#(endpoints)], "node": "host\#(host)", "leaseTTL": \#(leaseSeconds)}}
        """#
    ).merging(try JSONValue(json: keys))
  }

  /// ADD of the service alone, for a container that is attached to the network.
  func add(_ container: Attached, weight: Int = 1, _ keys: String = "{}") throws -> Outcome {
    try container.lab.add(
      config(on: container.host, weight: weight, keys).with("prevResult", container.result), to: container.container,
      plugin: "service")
  }

  func attach(_ container: Int, on host: Int, weight: Int = 1) throws -> Attached {
    let attached = try network.attach(container, on: host)
    try add(attached, weight: weight).requireSuccess()
    return attached
  }

  /// DEL of the service alone.
  func delete(_ container: Attached) throws -> Outcome {
    try container.lab.delete(config(on: container.host), from: container.container, plugin: "service")
  }

  func check(_ container: Attached, weight: Int = 1) throws -> Outcome {
    try container.lab.check(
      config(on: container.host, weight: weight), container.result, on: container.container, plugin: "service")
  }

  /// The shell command that runs `cnictl` with the network and the service configured on a host.
  private func command(_ arguments: String, on host: Int) throws -> String {
    let lab = site.cluster.hosts[host], directory = "\(lab.directory)/service"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    let list = JSONValue.object([
      "cniVersion": "1.1.0", "name": .string(network.name),
      "plugins": .array([network.config(on: host), try config(on: host)]),
    ])
    try list.line.write(toFile: "\(directory)/list.conflist", atomically: true, encoding: .utf8)
    return "exec \(Binaries.ours)/cnictl \(arguments) --conf-dir \(directory)"
  }

  func cnictl(_ arguments: String, on host: Int) throws -> Outcome {
    let lab = site.cluster.hosts[host]
    return try lab.run("/bin/sh", ["-c", "\(try command(arguments, on: host)) 2>&1"], in: lab.host)
  }

  func sync(_ hosts: Range<Int> = 0..<3) throws {
    for host in hosts { try cnictl("overlay sync", on: host).requireSuccess() }
  }

  /// Runs `cnictl sync --watch` on a host while `body` runs, and the same for its tunnel; both do nothing but to follow etcd.
  func watching(on host: Int, _ body: () throws -> Void) throws {
    let lab = site.cluster.hosts[host]
    var pids: [String] = []
    defer { for pid in pids { _ = try? lab.shell("kill \(pid)", in: lab.host) } }  // the exit status does not matter
    for what in ["sync", "overlay sync"] {
      let watch = try command("\(what) --watch --interval 3600", on: host)
      pids.append(try lab.shell("(\(watch)) >> \(lab.directory)/watch.log 2>&1 & echo $!", in: lab.host))
    }
    try body()
  }

  /// The keys of all back-ends in etcd.
  func keys(at member: Int = 0) throws -> [String] { try site.keys("/swift-cni/services/", at: member) }
}

extension SharedService {
  /// The container that a connection reached, and the client's address there.
  struct Answer: Hashable {
    var name: String
    var seen: String
  }

  /// The answers to `count` requests at the same time to an address of each family.
  func answers(
    from namespace: String, _ count: Int, to addresses: [String] = Self.vips, _ transport: Probe.Transport = .tcp,
    _ port: Int = 8000, patience: Double = 15
  ) throws -> [[Answer: Int]] {
    let servers = site.cluster.hosts.indices.flatMap { host in
      (1...site.cluster.hosts[host].containerCount).flatMap { number in
        [(Probe.Transport.tcp, 80), (.udp, 81)].map {
          Server("\(host)/\(number)", in: site.cluster.hosts[host].container(number), $0, $1)
        }
      }
    }
    return try addresses.map { address in
      let probes = (0..<count).map { _ in Probe(from: namespace, to: address, transport, port, patience: patience) }
      return try site.cluster.answers(to: probes, servers: servers).reduce(into: [:]) { counts, answer in
        switch answer {
        case .by(let name, let seen, _): counts[Answer(name: name, seen: seen), default: 0] += 1
        case .none: counts[Answer(name: "none", seen: ""), default: 0] += 1
        }
      }
    }
  }

  /// As `answers`, only how often each container answered.
  func counts(
    from namespace: String, _ count: Int, to addresses: [String] = Self.vips, _ transport: Probe.Transport = .tcp,
    _ port: Int = 8000, patience: Double = 15
  ) throws -> [[String: Int]] {
    try answers(from: namespace, count, to: addresses, transport, port, patience: patience).map { all in
      all.reduce(into: [:]) { $0[$1.key.name, default: 0] += $1.value }
    }
  }
}
