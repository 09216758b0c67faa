import CNI
import EVPNSupport
import EtcdSupport
import Foundation
import LabSupport
import Testing

/// Two hosts with the network and the FRR of `conf-examples/etcd`, and their router.
private struct RoutedSite {
  static let addresses = ["203.0.113.50", "2001:db8:113::50"]
  private static let directory = "\(Router.files)/../etcd"
  /// The host that is the router.
  private static let router = 2

  let site: Site

  var router: Lab { site.cluster.hosts[Self.router] }

  /// Runs `body` when both hosts have their sessions with the router.
  static func use(_ body: (RoutedSite) throws -> Void) throws {
    try Site.use(containers: 1, state: ["/etc/frr", "/run/frr"]) { site in
      let routed = RoutedSite(site: site), routers = site.cluster.hosts.map { Router(lab: $0) }
      defer {
        // The FRR of a removed host has ended already; errors must not hide those of the test.
        for router in routers { try? router.kill() }
      }
      for (host, router) in routers.enumerated() {
        try router.configure(routed.configuration(of: host))
        try router.start()
        #expect(try router.lab.shell("cat /run/frr/loading", in: router.lab.host) == "")
      }
      try eventually("the router has a session with each host") { try routers[Self.router].neighbourCount() == 2 }
      for host in 0..<Self.router { try routed.configureNetwork(on: host) }
      try body(routed)
    }
  }

  private func configuration(of host: Int) throws -> String {
    guard host != Self.router else {
      return """
        frr defaults datacenter
        router bgp 65000
         neighbor hosts peer-group
         neighbor hosts remote-as internal
         neighbor hosts bfd
         bgp listen range 172.30.0.0/24 peer-group hosts
         address-family ipv6 unicast
          neighbor hosts activate
         exit-address-family
        exit
        """
    }
    return try String(contentsOfFile: "\(Self.directory)/frr-floating.conf", encoding: .utf8)
      .replacing("192.0.2.13", with: site.cluster.underlay(host))
      .replacing("192.0.2.1", with: site.cluster.underlay(Self.router))
  }

  /// Writes the example's network, with the members of this etcd and a name for the host.
  private func configureNetwork(on host: Int) throws {
    var text = try String(contentsOfFile: "\(Self.directory)/50-floating.conflist", encoding: .utf8)
      .replacing("\"leaseTTL\"", with: "\"node\": \"host\(host)\", \"leaseTTL\"")
    for (index, endpoint) in site.etcd.endpoints.enumerated() {
      text = text.replacing("http://10.0.0.\(index + 1):2379", with: endpoint)
    }
    try text.write(
      toFile: "\(site.cluster.hosts[host].directory)/50-floating.conflist", atomically: true, encoding: .utf8)
  }

  @discardableResult
  func cnictl(_ arguments: String, on host: Int) throws -> String {
    let lab = site.cluster.hosts[host]
    return try lab.shell("\(command(arguments, on: host)) 2>&1", in: lab.host)
  }

  private func command(_ arguments: String, on host: Int) -> String {
    let directory = site.cluster.hosts[host].directory
    return "NETCONFPATH=\(directory) CNI_PATH=\(Binaries.ours) \(Binaries.ours)/cnictl \(arguments)"
  }

  func connect(_ host: Int) throws { try cnictl("connect front \(site.cluster.hosts[host].container(1))", on: host) }

  /// Gives the container of a host both addresses.
  func assign(to host: Int, moving: Bool = false) throws {
    for address in Self.addresses {
      let container = site.cluster.hosts[host].container(1)
      try cnictl("floating-ip assign \(address) front \(container) \(moving ? "--move" : "")", on: host)
    }
  }

  /// Follows etcd on a host while `body` runs, in which time configurations are not read again.
  func watching(_ host: Int, _ body: () throws -> Void) throws {
    let lab = site.cluster.hosts[host]
    let watch = command("sync --watch --interval 3600", on: host)
    let pid = try lab.shell("\(watch) > \(lab.directory)/watch.log 2>&1 & echo $!", in: lab.host)
    defer { _ = try? lab.shell("kill \(pid)", in: lab.host) }  // the exit status does not matter
    try body()
  }

  /// The addresses that a host has on `lo`, without its own.
  func addresses(of host: Int) throws -> [String] {
    let lab = site.cluster.hosts[host]
    return try lab.addresses(of: "lo", in: lab.host).filter { !$0.hasPrefix("127.") && !$0.hasPrefix("::1/") }
  }

  /// Waits until the router sends packets for the addresses to this host alone; `nil`: to none.
  func expectRoutes(to host: Int?) throws {
    var hops: [String?] = []
    if let host {
      let lab = site.cluster.hosts[host]
      let link = try lab.json("ip -j address show dev eth0", in: lab.host).list("0.addr_info")
        .first { $0.text("scope") == "link" }?.text("local")
      hops = [site.cluster.underlay(host), link ?? "no such address"]
    }
    try eventually("the router sends to \(hops)") {
      // A route to several hosts has no member `gateway`.
      try [Lab.IPFamilyFlag.v4, .v6].flatMap { try router.routes($0, in: router.host) }
        .filter { route in Self.addresses.contains { route.text("dst") == $0 } }.map { $0.text("gateway") } == hops
    }
  }

  /// The hosts whose containers answer the router.
  func answers(hosts: Int = router) throws -> [String] {
    let servers = (0..<hosts).map { Server("\($0)", in: site.cluster.hosts[$0].container(1), .tcp, 80) }
    let probes = Self.addresses.map { Probe(from: router.host, to: $0, .tcp, 80, patience: 10) }
    return try site.cluster.answers(to: probes, servers: servers).map {
      if case .by(let name, _, _) = $0 { name } else { "none" }
    }
  }
}

/// Floating addresses on `lo`, which FRR announces to the router.
@Suite(.needsRoot) struct RoutedAddressTests {
  @Test func `the router follows a floating address to the host that has it, also after a crash`() throws {
    try RoutedSite.use { routed in
      for host in 0..<2 { try routed.connect(host) }
      try routed.expectRoutes(to: nil)
      try routed.assign(to: 0)
      try routed.expectRoutes(to: 0)
      #expect(try routed.answers() == ["0", "0"])

      try routed.watching(0) {
        try routed.assign(to: 1, moving: true)
        try routed.expectRoutes(to: 1)
      }
      #expect(try routed.addresses(of: 0) == [] && routed.addresses(of: 1).count == 2)
      #expect(try routed.answers() == ["1", "1"])

      try routed.site.cluster.kill(1)
      try routed.expectRoutes(to: nil)
      try routed.assign(to: 0, moving: true)
      try routed.expectRoutes(to: 0)
      #expect(try routed.answers(hosts: 1) == ["0", "0"])
    }
  }
}
