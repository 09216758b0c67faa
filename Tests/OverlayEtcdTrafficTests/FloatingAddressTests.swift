import BaseSupport
import CNI
import EtcdSupport
import Foundation
import LabSupport
import Testing

/// Floating addresses of a `bridge` network on each of three hosts, which share them through etcd.
private struct FloatingSite {
  let site: Site
  /// One of each family, in the subnets of the switch.
  static let addresses = ["172.30.0.99", "fd30::99"]
  static let port = 5300

  static func use(_ body: (FloatingSite) throws -> Void) throws {
    try Site.use(containers: 1) { try body(FloatingSite(site: $0)) }
  }

  func lab(_ host: Int) -> Lab { site.cluster.hosts[host] }

  private func bridge(_ host: Int) throws -> JSONValue {
    try JSONValue(
      json: #"""
        {"cniVersion": "1.1.0", "name": "net", "type": "bridge", "bridge": "br0", "isDefaultGateway": true,
         "ipam": {"type": "host-local", "dataDir": "\#(lab(host).dataDir)",
                  "ranges": [[{"subnet": "10.66.\#(host).0/24"}], [{"subnet": "fd66:\#(host)::/64"}]]}}
        """#)
  }

  func portmap(_ host: Int, moves: Bool) throws -> JSONValue {
    let endpoints = site.etcd.endpoints.map { "\"\($0)\"" }.joined(separator: ", ")
    let floats = Self.addresses.map { #"{"ip": "\#($0)", "move": \#(moves)}"# }.joined(separator: ", ")
    return try JSONValue(
      json: #"""
        {"cniVersion": "1.1.0", "name": "net", "type": "portmap", "floatingDevice": "eth0",
         "runtimeConfig": {"floatingIPs": [\#(floats)]},
         "etcd": {"endpoints": [\#(endpoints)], "node": "host\#(host)"}}
        """#)
  }

  func attach(_ host: Int) throws -> JSONValue { try lab(host).add(bridge(host)).result() }

  func add(_ host: Int, _ attached: JSONValue, moves: Bool = true) throws -> Outcome {
    try lab(host).add(portmap(host, moves: moves).with("prevResult", attached), plugin: "portmap")
  }

  func delete(_ host: Int) throws -> Outcome {
    try lab(host).delete(portmap(host, moves: false), plugin: "portmap")
  }

  /// The shell command that runs `cnictl` with the network configured on a host.
  private func command(_ arguments: String, _ host: Int) throws -> String {
    let directory = "\(lab(host).directory)/net.d"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    let list = JSONValue.object([
      "cniVersion": "1.1.0", "name": "net",
      "plugins": .array([try bridge(host), try portmap(host, moves: false).without("runtimeConfig")]),
    ])
    try list.line.write(toFile: "\(directory)/net.conflist", atomically: true, encoding: .utf8)
    return "exec \(Binaries.ours)/cnictl \(arguments) --conf-dir \(directory) --plugin-dir \(Binaries.ours)"
  }

  func cnictl(_ arguments: String, _ host: Int) throws -> Outcome {
    try lab(host).run("/bin/sh", ["-c", "\(try command(arguments, host)) 2>&1"], in: lab(host).host)
  }

  /// Follows etcd on a host while `body` runs.
  func watching(_ host: Int, _ body: () throws -> Void) throws {
    let watch = try command("sync --watch --interval 3600", host)
    let pid = try lab(host).shell("(\(watch)) > \(lab(host).directory)/watch.log 2>&1 & echo $!", in: lab(host).host)
    defer { _ = try? lab(host).shell("kill \(pid)", in: lab(host).host) }  // the exit status does not matter
    try body()
  }

  /// What a host has of the addresses: on links, in rules, in conntrack and in records.
  func state(_ host: Int) throws -> [String] {
    let pattern = Self.addresses.joined(separator: "|")
    return try lab(host).shell(
      """
      { ip -o address show dev eth0; nft list ruleset; iptables-save; ip6tables-save; cat /proc/net/nf_conntrack \\
        $(find /run/swift-cni/filter -type f); } 2> /dev/null | sed s/fd30:0000:0000:0000:0000:0000:0000:0099/fd30::99/ \\
        | grep -E '\(pattern)' || true
      """, in: lab(host).host
    ).split(separator: "\n").map(String.init)
  }

  /// The values of the keys, by address.
  func holders() throws -> [String] {
    try Self.addresses.map { address in
      let text = try site.etcd.control(["get", "--print-value-only", "/swift-cni/floating/\(address)"], at: 0)
      return try text.isEmpty ? "" : JSONValue(json: text).text("node") ?? "?"
    }
  }

  /// The containers that answer a new connection from the switch to each address.
  func answers() throws -> [String] {
    let servers = (0..<3).map { Server("\($0)", in: lab($0).container(1), .tcp, 80) }
    let probes = Self.addresses.map { Probe(from: site.cluster.fabric, to: $0, .tcp, 80, patience: 10) }
    return try site.cluster.answers(to: probes, servers: servers).map {
      if case .by(let name, _, _) = $0 { name } else { "none" }
    }
  }
}

// MARK: load

extension FloatingSite {
  /// Starts a server on each host's container that answers each datagram with the host's number.
  private func startServers() throws {
    for host in 0..<3 {
      try lab(host).shell(
        """
        cat > \(lab(host).directory)/server.py << 'END'
        from socket import AF_INET6, SOCK_DGRAM, socket
        server = socket(AF_INET6, SOCK_DGRAM)
        server.bind(("::", \(Self.port)))
        while True:
            request, client = server.recvfrom(100)
            server.sendto(b"\(host)" + request, client)
        END
        python3 -B \(lab(host).directory)/server.py > /dev/null 2>&1 &
        """, in: lab(host).container(1))
    }
  }

  /// Sends datagrams from one socket to each address without pause while `body` runs.
  ///
  /// `answers` are, for each address, who answered, in order; `-` is no answer.
  func underLoad(_ body: (_ answers: @escaping () throws -> [String]) throws -> Void) throws {
    try startServers()
    let files = Self.addresses.indices.map { "\(lab(0).directory)/answers.\($0)" }
    let pids = try zip(Self.addresses, files).map { address, file in
      try site.cluster.onSwitch(
        """
        : > \(file)
        cat > \(file).py << 'END'
        from socket import AF_INET, AF_INET6, SOCK_DGRAM, socket
        from time import sleep
        client = socket(AF_INET6 if ":" in "\(address)" else AF_INET, SOCK_DGRAM)
        client.settimeout(0.05)
        with open("\(file)", "w", buffering=1) as answers:
            for number in range(60000):
                try:
                    client.sendto(b"%d" % number, ("\(address)", \(Self.port)))
                    answer = b""
                    # An answer to an earlier request may come late.
                    while answer[1:] != b"%d" % number: answer = client.recv(100)
                    answers.write(answer[:1].decode())
                except OSError:
                    answers.write("-")
                answers.flush()
                sleep(0.002)
        END
        python3 -B \(file).py > /dev/null 2>&1 &
        echo $!
        """)
    }
    defer { for pid in pids { _ = try? site.cluster.onSwitch("kill \(pid)") } }  // it may have ended
    let read = { () throws in try files.map { try String(contentsOfFile: $0, encoding: .utf8) } }
    try eventually("the load has begun") { try read().allSatisfy { $0.hasSuffix("0") } }
    try body(read)
  }
}

@Suite(.needsRoot, .serialized) struct FloatingAddressesAcrossHosts {
  @Test func `an address moves under load, and the host that had it keeps nothing of it`() throws {
    try FloatingSite.use { float in
      try float.add(0, float.attach(0)).requireSuccess()
      let second = try float.attach(1)
      try float.watching(0) {
        try float.underLoad { answers in
          try float.add(1, second).requireSuccess()
          try eventually("host 0 has let go") { try float.state(0) == [] }
          // An answer may be on its way.
          let before = try answers().map { $0.count + 2 }
          let after = { () throws in zip(try answers(), before).map { $0.dropFirst($1) } }
          try eventually("host 1 answers") { try after().allSatisfy { $0.count { $0 == "1" } > 50 } }
          #expect(try after().allSatisfy { !$0.contains("0") })
        }
      }
      #expect(try float.holders() == ["host1", "host1"])
      #expect(try float.answers() == ["1", "1"])

      let third = float.lab(2).container(1), address = FloatingSite.addresses[0]
      try float.cnictl("connect net \(third)", 2).requireSuccess()
      let assign = "floating-ip assign \(address) net \(third) --json"
      #expect(try float.cnictl(assign, 2).code == 107)
      try float.cnictl("\(assign) --move", 2).requireSuccess()
      #expect(try float.holders() == ["host2", "host1"])
      #expect(try float.cnictl("sync", 1).output.contains("\(address): another host has it"))
      #expect(try float.answers() == ["2", "1"])
      try float.cnictl("floating-ip release \(address)", 2).requireSuccess()
      #expect(try float.holders() == ["", "host1"])
      #expect(try float.state(2) == [])

      #expect(try float.delete(0).complaint == "")
      #expect(try float.holders() == ["", "host1"])
      #expect(try float.delete(1).complaint == "")
      #expect(try float.holders() == ["", ""])
      #expect(try float.state(1) == [])
    }
  }

  @Test func `one of all hosts has an address, whatever etcd loses`() throws {
    try FloatingSite.use { float in
      let attached = try (0..<3).map { try float.attach($0) }
      try float.add(0, attached[0], moves: false).requireSuccess()
      let held = try float.state(0)
      let refused = try float.add(1, attached[1], moves: false)
      #expect(refused.code == 107 && refused.complaint.contains("on host host0"), "\(refused)")
      #expect(try float.state(1) == [])

      try float.site.etcd.control(["del", "--prefix", "/swift-cni/floating/"], at: 0)
      #expect(try float.cnictl("sync", 0).output == "")
      #expect(try float.holders() == ["host0", "host0"])

      // Two hosts at the same time: the keys name one, and the others let go.
      let calls = try [1, 2].map { host in
        let config = try float.portmap(host, moves: true).with("prevResult", attached[host])
        return (lab: float.lab(host), call: float.lab(host).call("ADD", config, on: 1, plugin: "portmap"))
      }
      _ = atOnce(2) { try calls[$0].lab.run(calls[$0].call) }  // one may be refused
      let winner = try #require(try float.holders().first)
      #expect(try float.holders() == [winner, winner])
      for host in 0..<3 { try float.cnictl("sync", host).requireSuccess() }
      for host in 0..<3 { #expect(try float.state(host).isEmpty == ("host\(host)" != winner)) }
      #expect(try float.answers().map { "host\($0)" } == [winner, winner])

      for member in 1...2 { float.site.etcd.stop(member: member) }
      #expect(try float.add(0, attached[0]).code == 11)
      #expect(try float.state(0) == [] && held != [])
      for host in 0..<3 { #expect(try float.state(host).isEmpty == ("host\(host)" != winner)) }
    }
  }

  @Test func `a killed move leaves the address on one host`() throws {
    try FloatingSite.use { float in
      try float.add(0, float.attach(0)).requireSuccess()
      let second = try float.attach(1), lab = float.lab(1)
      let before = try (0..<2).map { Set(try float.state($0)) }
      let config = try float.portmap(1, moves: true).with("prevResult", second)
      try lab.killInTurn(
        seed: 16, rounds: 10, delay: { 4000 << ($0 / 2)...8000 << ($0 / 2) },
        { lab.call($0, config, on: 1, plugin: "portmap") }, add: { try float.add(1, second).requireSuccess() },
        clean: { round in
          for _ in 1...2 { #expect(try float.delete(1).complaint == "") }
          // DEL may have deleted the key: host 0, which still has the address, puts its own back.
          try float.cnictl("sync", 0).requireSuccess()
          #expect(try float.holders() == ["host0", "host0"], "\(round)")
          for host in 0..<2 { #expect(try Set(float.state(host)) == before[host], "\(round)") }
        })
    }
  }
}
