import CNI
import EtcdSupport
import LabSupport
import Testing

// Group: multihost

@Suite(.needsRoot, .serialized)
struct `Change of the host's address` {
  /// The command that updates the VXLAN device.
  enum Trigger: String, CaseIterable, Sendable {
    case sync = "overlay sync"
    case watch = "overlay sync --watch"
    case add = "ADD"
  }

  private static let address = "172.30.0.99"

  /// Replaces the address of the first host, as DHCP may do.
  private func move(_ site: Site) throws {
    let lab = site.cluster.hosts[0]
    try lab.shell(
      """
      sysctl -qw net.ipv4.conf.eth0.promote_secondaries=1
      ip address add \(Self.address)/24 dev eth0 && ip address del \(site.cluster.underlay(0))/24 dev eth0
      ip route replace default via 172.30.0.1
      """, in: lab.host)
  }

  @Test(arguments: ["l3", "l2"], Trigger.allCases)
  func `containers stay reachable and the VXLAN device is changed in place`(mode: String, by trigger: Trigger) throws {
    try Site.use(containers: 2, defaultRoutes: true) { site in
      let network = EtcdNetwork(site: site, mode: mode, looksForAddress: true)
      let first = try network.attach(1, on: 0), second = try network.attach(1, on: 1)
      let both = [first].towards([second], patience: 45) + [second].towards([first], patience: 45)
      let body = {
        _ = try network.cnictl("overlay sync", on: 0)
        try site.expect(both, answered: true)
        let lab = first.lab
        let before = try device(network)
        try move(site)
        switch trigger {
        case .sync: _ = try network.cnictl("overlay sync", on: 0)
        case .watch: break
        case .add: _ = try network.attach(2, on: 0)
        }
        try eventually("the device is at \(Self.address)") {
          try lab.shell("ip -d link show \(network.vxlan)", in: lab.host).contains("local \(Self.address) ")
        }
        try site.expect(both, answered: true)
        #expect(try first.check().complaint == "")
        #expect(try second.check().complaint == "")
        #expect(try device(network) == before)
        let entries = try site.keys(network.prefix, at: 1)
        #expect(entries.count == (mode == "l3" ? 3 : trigger == .add ? 9 : 7), "\(entries)")
        #expect(!entries.contains { $0.contains(site.cluster.underlay(0)) }, "\(entries)")
      }
      try network.watching(on: 1) {
        if trigger == .watch { try network.watching(on: 0, body) } else { try body() }
      }
    }
  }

  @Test(arguments: ["l3", "l2"])
  func `the next ADD on a host that does not follow etcd uses the new address`(mode: String) throws {
    try Site.use(containers: 2, defaultRoutes: true) { site in
      let network = EtcdNetwork(site: site, mode: mode, looksForAddress: true)
      let first = try network.attach(1, on: 0), second = try network.attach(1, on: 1)
      try move(site)
      _ = try network.cnictl("overlay sync", on: 0)
      let third = try network.attach(2, on: 1)
      let others = [second, third]
      try site.expect(
        [first].towards(others, patience: 45) + others.towards([first], patience: 45), answered: true)
    }
  }

  @Test(arguments: ["l3", "l2"])
  func `a refused ADD leaves the old address in etcd`(mode: String) throws {
    try Site.use(containers: 2, defaultRoutes: true) { site in
      let network = EtcdNetwork(site: site, mode: mode, looksForAddress: true)
      let first = try network.attach(1, on: 0)
      try move(site)
      let lab = first.lab
      let before = try Snapshot(of: lab), entries = try site.entries(network.prefix)
      #expect(try first.check().code == 101)
      for (key, value) in [("mtu", JSONValue.integer(9000)), ("dstport", .integer(4790)), ("vni", .integer(7))] {
        let outcome = try lab.add(
          network.config(on: 0).with(key, value), to: 2, as: "eth0", plugin: "overlay-vxlan")
        #expect(outcome.code == 7 && outcome.complaint.contains(key), "\(outcome)")
        #expect(try site.entries(network.prefix) == entries)
        try lab.expectUnchanged(since: before)
      }
    }
  }

  /// The MAC address and index of the first host's VXLAN device: a new device would have another index.
  private func device(_ network: EtcdNetwork) throws -> [String?] {
    let lab = network.site.cluster.hosts[0]
    let link = try lab.link(network.vxlan, in: lab.host)
    return [link?.text("address"), link?.text("ifindex")]
  }
}

extension Site {
  /// The keys with values and leases, read from the member on the second host, whose address does not change.
  fileprivate func entries(_ prefix: String) throws -> [String] {
    try etcd.control(["get", "--prefix", prefix, "--write-out=fields"], at: 1).split(separator: "\n")
      .map(String.init).filter { line in
        ["Key", "Value", "Lease", "ModRevision"].contains { line.hasPrefix("\"\($0)\"") }
      }
  }
}
