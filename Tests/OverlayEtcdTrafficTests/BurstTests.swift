import CNI
import EtcdSupport
import Foundation
import LabSupport
import Testing

/// Many hosts that come, change and go within a moment; they exist only in etcd.
@Suite(.needsRoot, .serialized)
struct `Bursts of changes in etcd` {
  /// The script's operations: numbers of hosts, each with the last byte of its MAC address, or -1 to remove it.
  private typealias Operations = [(host: Int, mac: Int)]

  /// Writes all of these, one after the other.
  private func write(_ operations: Operations, _ network: EtcdNetwork) throws {
    let site = network.site, lab = site.cluster.hosts[0]
    let list = operations.map { "\($0.host),\($0.mac)" }.joined(separator: " ")
    try lab.shell(
      """
      python3 - \(site.etcd.endpoints[0]) \(network.prefix) \(network.mode) \(list) <<'END'
      from base64 import b64encode
      from json import dumps
      from sys import argv
      from urllib.request import Request, urlopen
      endpoint, prefix, mode, *operations = argv[1:]
      base = lambda text: b64encode(text.encode()).decode()
      for host, mac in (map(int, one.split(",")) for one in operations):
          vtep, mac = f"172.30.8.{host}", f"02:00:00:00:{host:02x}:{mac & 255:02x}" if mac >= 0 else None
          if mode == "l3":
              key = f"{prefix}/subnets/10.181.{host}.0-24"
              value = {"PublicIP": vtep, "BackendType": "vxlan", "BackendData": {"VNI": 101, "VtepMAC": mac}}
          else:
              key, value = f"{prefix}/hosts/{vtep}", {"vtep": vtep, "vtepMac": mac, "vni": 101}
          operation = {"request_put": {"key": base(key), "value": base(dumps(value))}} if mac else {
              "request_delete_range": {"key": base(key)}}
          body = dumps({"success": [operation]}).encode()
          urlopen(Request(endpoint + "/v3/kv/txn", body)).read()
      END
      """, in: lab.host)
  }

  /// What the kernel has of the network: entries, routes and the rules for the tunnel.
  private func state(_ network: EtcdNetwork) throws -> String {
    let lab = network.site.cluster.hosts[0]
    return try lab.shell(
      """
      bridge fdb show dev \(network.vxlan) | grep dst | sort
      ip neigh show dev \(network.vxlan) nud permanent | sort; ip neigh show dev ov-\(network.name) nud permanent | sort
      ip route show dev \(network.vxlan) | sort
      nft list map inet swift_cni tunnel_peers4 2>/dev/null | tr ',' '\\n' | tr -d ' \\t' | grep 172 | sort || true
      """, in: lab.host)
  }

  private func fresh(_ network: EtcdNetwork) throws {
    let before = try state(network)
    let lines = try network.cnictl("overlay sync", on: 0)
    #expect(lines == "\(network.name): nothing to change\n")
    #expect(try state(network) == before)
  }

  /// The hosts 1 to 40: all come, each third goes, each fifth changes twice; others come and go at once.
  private let burst: Operations =
    (1...40).map { ($0, 1) } + (41...50).flatMap { [($0, 1), ($0, -1)] }
    + stride(from: 3, through: 40, by: 3).map { ($0, -1) }
    + stride(from: 5, through: 40, by: 5).flatMap { [($0, 7), ($0, 8)] }

  @Test(arguments: ["l3", "l2"])
  func `a burst ends in the state that a sync leaves`(mode: String) throws {
    try Site.use(containers: 1) { site in
      let network = EtcdNetwork(site: site, mode: mode)
      _ = try network.attach(1, on: 0)
      try network.watching(on: 0) {
        try write(burst, network)
        try write([(60, 1)], network)
        try eventually("the last host is known") { try state(network).contains("172.30.8.60") }
        let found = try state(network)
        for host in 1...50 {
          let isPresent = host <= 40 && (host % 3 != 0 || host % 5 == 0)
          #expect(found.contains("172.30.8.\(host) ") == isPresent, "\(host)")
        }
        if mode == "l3" { #expect(found.contains("02:00:00:00:05:08") && !found.contains("02:00:00:00:05:01")) }
        try fresh(network)
      }
    }
  }

  /// All members start anew and forget their history while the watch stands still.
  @Test func `a watch that lost its place reads everything again`() throws {
    try Site.use(containers: 1) { site in
      let network = EtcdNetwork(site: site)
      _ = try network.attach(1, on: 0)
      try network.watching(on: 0) { watch in
        try write([(1, 1), (2, 1)], network)
        try eventually("both hosts are known") { try state(network).contains("172.30.8.2 ") }
        let lab = site.cluster.hosts[0]
        try lab.shell("kill -STOP \(watch)", in: lab.host)
        for member in 0..<3 { site.etcd.stop(member: member) }
        for member in 0..<3 { try site.etcd.start(member: member, waits: member == 2) }
        try write([(1, -1), (3, 1)], network)
        let status = try site.etcd.control(["get", "/none", "--write-out=fields"])
        let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("\"Revision\"") })
        try site.etcd.control(["compact", String(line.split(separator: " ").last ?? "")])
        try lab.shell("kill -CONT \(watch)", in: lab.host)
        try eventually("the third host is known, the first is not") {
          let found = try state(network)
          return found.contains("172.30.8.3 ") && !found.contains("172.30.8.1 ")
        }
        try fresh(network)
      }
    }
  }

  @Test func `an ADD finds hosts that came and went while no watch ran`() throws {
    try Site.use(containers: 3) { site in
      let network = EtcdNetwork(site: site)
      _ = try network.attach(1, on: 0)
      try write([(1, 1), (2, 1)], network)
      _ = try network.attach(2, on: 0)
      #expect(try state(network).contains("172.30.8.2 "))
      try write([(1, -1), (3, 1)], network)
      // Keys of others, and a host's route that another program deleted.
      try site.etcd.control(["put", "/elsewhere", "x"])
      let lab = site.cluster.hosts[0]
      try lab.shell("ip route del 10.181.2.0/24 dev \(network.vxlan)", in: lab.host)
      _ = try network.attach(3, on: 0)
      let found = try state(network)
      #expect(found.contains("172.30.8.3 ") && !found.contains("172.30.8.1 ") && found.contains("10.181.2.0/24"))
      try fresh(network)
    }
  }
}
