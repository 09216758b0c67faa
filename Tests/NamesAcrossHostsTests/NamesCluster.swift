import CNI
import EtcdSupport
import Foundation
import LabSupport

/// Three hosts that exchange names through etcd; each runs a member.
struct NamesCluster {
  let cluster: Cluster
  let etcd: EtcdCluster

  static func use(containers: Int = 2, _ body: (NamesCluster) throws -> Void) throws {
    try Cluster.use(hosts: 3, containers: containers, state: ["/etc/netns"]) { cluster in
      let places = cluster.hosts.indices.map {
        EtcdCluster.MemberAddress(cluster.underlay($0), in: cluster.hosts[$0].host)
      }
      for host in cluster.hosts { try host.shell("ip link set lo up", in: host.host) }
      try EtcdCluster.use(at: places) { try body(NamesCluster(cluster: cluster, etcd: $0)) }
    }
  }

  static func address(_ host: Int, _ number: Int) -> String { "10.66.\(host + 1).\(number + 1)" }

  /// The routed overlay network of the containers.
  func overlay(on host: Int) throws -> JSONValue {
    let peers = cluster.hosts.indices.map {
      #"{"vtep": "\#(cluster.underlay($0))", "subnet": "10.66.\#($0 + 1).0/24"}"#
    }
    return try JSONValue(
      json: """
        {"cniVersion": "1.1.0", "name": "net", "type": "overlay-vxlan", "vni": 66, "network": "10.66.0.0/16",
         "controlPlane": {"type": "static", "peers": [\(peers.joined(separator: ", "))]},
         "ipam": {"type": "ipam-host-local", "dataDir": "\(cluster.hosts[host].dataDir)"}}
        """)
  }

  /// The plugin's configuration on a host, with a prevResult that no main plugin made.
  func names(on host: Int, of number: Int = 1, keys: String = "{}") throws -> JSONValue {
    let endpoints = etcd.endpoints.map { "\"\($0)\"" }.joined(separator: ", ")
    return try JSONValue(
      json: """
        {"cniVersion": "1.1.0", "name": "net", "type": "dns-hosts", "files": "netns", "resolvConf": false,
         "hostnameFile": false, "args": {"cni": {"name": "web\(host)\(number)"}},
         "etcd": {"endpoints": [\(endpoints)], "node": "host\(host)"},
         "prevResult": {"cniVersion": "1.1.0", "interfaces": [{"name": "eth0", "sandbox": "/x"}],
           "ips": [{"interface": 0, "address": "\(Self.address(host, number))/24"}]}}
        """
    ).merging(try JSONValue(json: keys))
  }

  @discardableResult
  func join(_ host: Int, _ number: Int = 1, keys: String = "{}") throws -> Outcome {
    try cluster.hosts[host].add(names(on: host, of: number, keys: keys), to: number, plugin: "dns-hosts")
  }

  @discardableResult
  func leave(_ host: Int, _ number: Int = 1) throws -> Outcome {
    try cluster.hosts[host].delete(names(on: host, of: number), from: number, plugin: "dns-hosts")
  }

  /// Runs `cnictl repair --names` on a host that has no cached results.
  func repair(_ host: Int) throws {
    let lab = cluster.hosts[host], plugin = try names(on: host).line
    try lab.shell(
      """
      mkdir -p \(lab.directory)/net.d
      cat > \(lab.directory)/net.d/net.conflist <<'END'
      {"cniVersion": "1.1.0", "name": "net", "plugins": [\(plugin)]}
      END
      \(Binaries.ours)/cnictl repair --names --conf-dir \(lab.directory)/net.d --cache-dir \(lab.directory)/none
      """, in: lab.host)
  }

  /// Runs a script with `ip netns exec`, so that it sees the container's /etc/hosts.
  func inside(_ host: Int, _ number: Int, _ script: String) throws -> Outcome {
    let lab = cluster.hosts[host]
    return try lab.run(
      "/usr/bin/env", ["ip", "netns", "exec", lab.container(number), "/bin/sh", "-c", script], in: lab.host)
  }

  /// The address of a name in a container's hosts file; `nil` if it has none.
  func address(of name: String, in host: Int, _ number: Int = 1) throws -> String? {
    try inside(host, number, "getent -s hosts:files hosts \(name)").output.split(separator: " ").first.map(
      String.init)
  }

  /// Every file of `dns-hosts` on a host except lock files, without comment lines.
  func snapshot(_ host: Int) throws -> String {
    let lab = cluster.hosts[host]
    return try lab.shell(
      "for f in $(find /run/cni /etc/netns -type f ! -name '*lock*' ! -path '*/.locks/*' | sort); do echo $f; grep -v '^#' $f | grep . || true; done",
      in: lab.host)
  }

  /// The keys of all hosts.
  func keys(at member: Int = 0) throws -> [String] {
    try etcd.control(["get", "--prefix", "--keys-only", "/swift-cni/names/"], at: member)
      .split(separator: "\n").map(String.init).sorted()
  }
}
