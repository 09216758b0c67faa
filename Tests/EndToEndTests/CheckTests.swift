import CNI
import LabSupport
import Testing

@Suite(.needsRoot)
struct CheckTests {
  @Test(arguments: SpecVersion.allCases.filter { $0 >= .v0_4_0 }, Families.allCases)
  func `CHECK passes after ADD`(version: SpecVersion, families: Families) throws {
    try Lab.use { lab in
      let config = try lab.bridge(
        #"{"isDefaultGateway": true, "hairpinMode": true}"#, subnets: families.subnets, version: version)
      let result = try lab.add(config).result()
      let outcome = try lab.check(config, result)
      #expect(outcome.isSuccess, "\(outcome)")
      #expect(outcome.output == "")
    }
  }

  @Test(arguments: SpecVersion.allCases.filter { $0 < .v0_4_0 })
  func `CHECK is refused before 0.4.0`(version: SpecVersion) throws {
    try Lab.use { lab in
      let config = try lab.bridge(version: version)
      let outcome = try lab.check(config, try lab.add(config).result())
      #expect(outcome.code == 1)
    }
  }

  @Test func `CHECK passes after other containers were attached and removed`() throws {
    try Lab.use(containers: 3) { lab in
      let config = try lab.bridge(#"{"isGateway": true}"#)
      let result = try lab.add(config, to: 1).result()
      for number in 2...3 { _ = try lab.add(config, to: number).result() }
      #expect(try lab.delete(config, from: 2).isSuccess)
      let outcome = try lab.check(config, result)
      #expect(outcome.isSuccess, "\(outcome)")
    }
  }

  /// A change after ADD, and parts of the text that CHECK must report.
  struct Tampering: CustomTestStringConvertible {
    var name: String
    /// Runs on the host, or in the container if `isInside`; `$port` is the host end, `$leases` the leases' directory.
    var script: String
    var isInside = false
    var fragments: [String]
    var testDescription: String { name }
  }

  static let tamperings = [
    Tampering(name: "bridge down", script: "ip link set br0 down", fragments: ["br0", "state up"]),
    Tampering(name: "bridge MAC", script: "ip link set br0 address 02:00:00:00:00:98", fragments: ["br0", "MAC"]),
    Tampering(name: "port down", script: "ip link set $port down", fragments: ["veth", "state up"]),
    Tampering(name: "port off the bridge", script: "ip link set $port nomaster", fragments: ["master"]),
    Tampering(name: "port MAC", script: "ip link set $port address 02:00:00:00:00:97", fragments: ["veth", "MAC"]),
    Tampering(name: "hairpin off", script: "bridge link set dev $port hairpin off", fragments: ["hairpin"]),
    Tampering(name: "isolation off", script: "bridge link set dev $port isolated off", fragments: ["isolated"]),
    Tampering(name: "IPv4 gateway", script: "ip addr del 10.77.0.1/24 dev br0", fragments: ["10.77.0.1/24", "br0"]),
    Tampering(name: "IPv6 gateway", script: "ip addr del fd77::1/64 dev br0", fragments: ["fd77::1/64", "br0"]),
    Tampering(name: "IPv4 forwarding", script: "echo 0 > /proc/sys/net/ipv4/ip_forward", fragments: ["ip_forward"]),
    Tampering(
      name: "IPv6 forwarding", script: "echo 0 > /proc/sys/net/ipv6/conf/all/forwarding", fragments: ["all/forwarding"]),
    Tampering(name: "IPv4 lease", script: "rm $leases/10.77.0.2", fragments: ["10.77.0.2", "lease"]),
    Tampering(name: "IPv6 lease", script: "rm $leases/fd77::2", fragments: ["fd77::2", "lease"]),
    Tampering(name: "loopback down", script: "ip link set lo down", isInside: true, fragments: ["lo", "state up"]),
    Tampering(
      name: "interface down", script: "ip link set eth0 down", isInside: true, fragments: ["eth0", "state up"]),
    Tampering(name: "interface gone", script: "ip link del eth0", isInside: true, fragments: ["eth0", "missing"]),
    Tampering(
      name: "MAC", script: "ip link set eth0 address 02:00:00:00:00:99", isInside: true, fragments: ["eth0", "MAC"]),
    Tampering(
      name: "IPv4 address", script: "ip addr del 10.77.0.2/24 dev eth0", isInside: true, fragments: ["10.77.0.2/24"]),
    Tampering(
      name: "IPv6 address", script: "ip addr del fd77::2/64 dev eth0", isInside: true, fragments: ["fd77::2/64"]),
    Tampering(name: "IPv4 route", script: "ip route del default", isInside: true, fragments: ["0.0.0.0/0"]),
    Tampering(name: "IPv6 route", script: "ip -6 route del default", isInside: true, fragments: ["::/0"]),
    Tampering(
      name: "route by another gateway", script: "ip route replace default via 10.77.0.9", isInside: true,
      fragments: ["0.0.0.0/0"]),
  ]

  @Test(arguments: tamperings)
  func `CHECK names what was changed after ADD`(tampering: Tampering) throws {
    try Lab.use { lab in
      let (config, result) = try attach(in: lab)
      try tamper(lab, tampering, result)
      let outcome = try lab.check(config, result)
      #expect(outcome.code == 101)
      for word in tampering.fragments { #expect(outcome.complaint.contains(word)) }
    }
  }

  @Test(arguments: [(5, 7), (11, 17), (0, 20), (13, 9)])
  func `CHECK names two differences at once`(first: Int, second: Int) throws {
    try Lab.use { lab in
      let (config, result) = try attach(in: lab)
      for index in [first, second] { try tamper(lab, Self.tamperings[index], result) }
      let outcome = try lab.check(config, result)
      #expect(outcome.code == 101)
      for word in Self.tamperings[first].fragments + Self.tamperings[second].fragments {
        #expect(outcome.complaint.contains(word))
      }
    }
  }

  private func attach(in lab: Lab) throws -> (JSONValue, JSONValue) {
    let config = try lab.bridge(
      #"{"isDefaultGateway": true, "hairpinMode": true, "portIsolation": true}"#, subnets: Families.dual.subnets)
    return (config, try lab.add(config).result())
  }

  private func tamper(_ lab: Lab, _ tampering: Tampering, _ result: JSONValue) throws {
    let variables = "port=\(result.text("interfaces.1.name") ?? ""); leases=\(lab.dataDir)/net\n"
    try lab.shell(variables + tampering.script, in: tampering.isInside ? lab.container(1) : lab.host)
  }
}
