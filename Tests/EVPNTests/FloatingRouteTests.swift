import CNI
import EVPNSupport
import Foundation
import LabSupport
import Testing

/// Floating addresses behind a router: two hosts with the FRR of `conf-examples/etcd`, and a third as router.
@Suite(.needsRoot) struct FloatingRouteTests {
  private static let addresses = ["203.0.113.50", "2001:db8:113::50"]

  @Test func `the router sends packets to the host whose container has the address`() throws {
    try Cluster.use(hosts: 3, containers: 1, state: ["/etc/frr", "/run/frr"]) { cluster in
      let routers = cluster.hosts.map { Router(lab: $0) }
      defer { for router in routers { try? router.kill() } }  // errors must not hide those of the test
      for host in 0..<2 { try routers[host].configure(configuration(of: host, in: cluster)) }
      try routers[2].configure(routerConfiguration)
      for router in routers { try router.start() }
      let results = try (0..<2).map { try cluster.hosts[$0].add(bridge($0, cluster.hosts[$0])).result() }
      for host in [0, 1] {
        let lab = cluster.hosts[host], portmap = try Self.portmap()
        try lab.add(portmap.with("prevResult", results[host]), plugin: "portmap").requireSuccess()
        try eventually("the router has routes to host \(host)") {
          let next = try next(cluster)
          // The one of IPv6 is a link-local address.
          return next[0] == cluster.underlay(host) && next[1] != ""
        }
        #expect(try answers(cluster) == ["\(host)", "\(host)"])
        try lab.delete(portmap, plugin: "portmap").requireSuccess()
        try eventually("the router has no routes") { try next(cluster) == ["", ""] }
      }
    }
  }

  private func bridge(_ host: Int, _ lab: Lab) throws -> JSONValue {
    try JSONValue(
      json: #"""
        {"cniVersion": "1.1.0", "name": "net", "type": "bridge", "bridge": "br0", "isDefaultGateway": true,
         "ipam": {"type": "host-local", "dataDir": "\#(lab.dataDir)",
                  "ranges": [[{"subnet": "10.66.\#(host).0/24"}], [{"subnet": "fd66:\#(host)::/64"}]]}}
        """#)
  }

  private static func portmap() throws -> JSONValue {
    let floats = addresses.map { "\"\($0)\"" }.joined(separator: ", ")
    return try JSONValue(
      json: #"""
        {"cniVersion": "1.1.0", "name": "net", "type": "portmap", "floatingDevice": "lo",
         "runtimeConfig": {"floatingIPs": [\#(floats)]}}
        """#)
  }

  /// The example's, with the addresses of this cluster.
  private func configuration(of host: Int, in cluster: Cluster) throws -> String {
    let file = URL(filePath: Router.files).appending(path: "../etcd/frr-floating.conf").path
    return try String(contentsOfFile: file, encoding: .utf8)
      .replacing("192.0.2.13", with: cluster.underlay(host)).replacing("192.0.2.1\n", with: "\(cluster.underlay(2))\n")
      .replacing("192.0.2.1 ", with: "\(cluster.underlay(2)) ")
  }

  private var routerConfiguration: String {
    """
    frr defaults datacenter
    router bgp 65000
     neighbor hosts peer-group
     neighbor hosts remote-as internal
     bgp listen range 172.30.0.0/24 peer-group hosts
     address-family ipv6 unicast
      neighbor hosts activate
     exit-address-family
    exit
    """
  }

  /// The router's routes to the addresses: the host that is next, or empty.
  private func next(_ cluster: Cluster) throws -> [String] {
    try zip(Self.addresses, ["-4", "-6"]).map { address, family in
      let routes = try cluster.hosts[2].json("ip \(family) -json route show \(address)", in: cluster.hosts[2].host)
      return routes.array?.first.flatMap { $0.text("gateway") ?? $0.at("nexthops.0")?.text("gateway") } ?? ""
    }
  }

  /// The containers that answer the router at each address.
  private func answers(_ cluster: Cluster) throws -> [String] {
    let servers = (0..<2).map { Server("\($0)", in: cluster.hosts[$0].container(1), .tcp, 80) }
    let probes = Self.addresses.map { Probe(from: cluster.hosts[2].host, to: $0, .tcp, 80, patience: 10) }
    return try cluster.answers(to: probes, servers: servers).map {
      if case .by(let name, _, _) = $0 { name } else { "none" }
    }
  }
}
