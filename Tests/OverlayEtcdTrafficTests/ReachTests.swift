import CNI
import EtcdSupport
import Foundation
import LabSupport
import Testing

@Suite(.needsRoot, .serialized)
struct `Overlay networks through etcd` {
  @Test(arguments: [("l3", Lab.IPFamilyFlag.v4), ("l3", .v6), ("l2", .v4), ("l2", .v6)])
  func `containers of two networks on three hosts reach only their own network`(
    mode: String, underlay: Lab.IPFamilyFlag
  ) throws {
    try Site.use(containers: 6, underlay: underlay) { site in
      let networks = [1, 2].map { EtcdNetwork(site: site, number: $0, mode: mode, underlay: underlay) }
      let attached = try networks.map { network in
        try site.cluster.hosts.indices.flatMap { host in
          try (1...3).map { try network.attach($0 + 3 * (network.number - 1), on: host) }
        }
      }
      // The first hosts learn of later ones only from sync.
      for host in site.cluster.hosts.indices {
        for network in networks { _ = try network.cnictl("overlay sync", on: host) }
      }
      try site.expect(attached[0].mutual + attached[1].mutual, answered: true)
      try site.expect(attached[0].towards(attached[1]) + attached[1].towards(attached[0]), answered: false)
      #expect(try attached.joined().map { try $0.check().complaint }.filter { !$0.isEmpty } == [])
      #expect(try attached.joined().map { try $0.delete().complaint }.filter { !$0.isEmpty } == [])
      for network in networks {
        #expect(try site.keys("\(network.prefix)/endpoints/") == [])
        for host in site.cluster.hosts.indices {
          let collected = try site.cluster.hosts[host].ask(
            "GC", network.config(on: host).with("cni.dev/valid-attachments", .array([])), plugin: "overlay-vxlan")
          #expect(collected.complaint == "")
          #expect(try site.cluster.hosts[host].link(network.vxlan, in: site.cluster.hosts[host].host) == nil)
        }
        #expect(try site.keys(network.prefix) == ["\(network.prefix)/config"])
      }
    }
  }

  @Test(arguments: ["l3", "l2"])
  func `hosts that follow etcd add a new host and remove one whose etcd lease ends`(mode: String) throws {
    try Site.use(containers: 1) { site in
      let network = EtcdNetwork(site: site, mode: mode)
      let first = try network.attach(1, on: 0)
      try network.watching(on: 0) {
        let second = try network.attach(1, on: 1)
        try site.expect([first].towards([second], patience: 45), answered: true)
        let lab = site.cluster.hosts[0]
        let vtep = "dst \(site.cluster.underlay(1))"
        #expect(try lab.shell("bridge fdb show dev \(network.vxlan)", in: lab.host).contains(vtep))
        if mode == "l2" {
          let neighbours = try lab.shell("ip neigh show dev ov-\(network.name) nud permanent", in: lab.host)
          #expect(second.addresses.allSatisfy { neighbours.contains($0) })
        }
        let entry = try site.keys(network.prefix).first { $0.contains("/hosts/\(site.cluster.underlay(1))") }
        let key = try mode == "l2" ? entry : subnetKey(of: 1, network, site)
        let lease = try lease(of: #require(key), site)
        try site.etcd.control(["lease", "revoke", lease])
        try eventually("the first host removed the second") {
          try !lab.shell("bridge fdb show dev \(network.vxlan)", in: lab.host).contains(vtep)
        }
        #expect(try !lab.shell("ip route", in: lab.host).contains("dev \(network.vxlan)"))
        #expect(try network.ask("STATUS", on: 1).code == 51)
        #expect(try second.delete().complaint == "")
        // The next ADD on that host leases a subnet and registers endpoints again.
        let again = try network.attach(1, on: 1)
        if mode == "l3" { #expect(again.addresses[0].hasPrefix(second.addresses[0].prefix(while: { $0 != "." }))) }
        try site.expect([first].towards([again], patience: 45), answered: true)
      }
    }
  }

  private func subnetKey(of host: Int, _ network: EtcdNetwork, _ site: Site) throws -> String? {
    try site.keys("\(network.prefix)/subnets/").first { key in
      try site.etcd.control(["get", key, "--print-value-only"]).contains("\"\(site.cluster.underlay(host))\"")
    }
  }

  /// The lease ID of a key, in hexadecimal, as etcdctl needs it.
  private func lease(of key: String, _ site: Site) throws -> String {
    let fields = try site.etcd.control(["get", key, "--write-out=fields"])
    let line = try #require(fields.split(separator: "\n").first { $0.hasPrefix("\"Lease\"") })
    return String(try #require(Int(line.split(separator: " ").last ?? "")), radix: 16)
  }

  @Test func `a host keeps its subnet after its state files are deleted`() throws {
    try Site.use(containers: 1) { site in
      let network = EtcdNetwork(site: site)
      let lab = site.cluster.hosts[0]
      let first = try network.attach(1, on: 0)
      let before = try site.keys("\(network.prefix)/subnets/")
      #expect(before.count == 1)
      #expect(try first.delete().complaint == "")
      try lab.shell("rm -r /run/swift-cni/overlay /var/lib/cni/overlay", in: lab.host)
      let second = try network.attach(1, on: 0)
      #expect(try site.keys("\(network.prefix)/subnets/") == before)
      #expect(try second.check().complaint == "")
    }
  }

  @Test func `STATUS succeeds before the first container`() throws {
    try Site.use(containers: 1) { site in
      for mode in ["l3", "l2"] {
        let network = EtcdNetwork(site: site, number: mode == "l3" ? 1 : 2, mode: mode)
        let complaint = try network.ask("STATUS", on: 0).complaint
        #expect(complaint == "")
        #expect(try site.keys(network.prefix) == [])
      }
    }
  }
}
