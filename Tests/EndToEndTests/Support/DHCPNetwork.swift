import CNI
import Foundation
import LabSupport

/// A lab's bridge `br0` with a DHCP server behind it, and the reference's DHCP daemon on the host.
///
/// The server is 10.88.0.1 in the lab's last namespace; it announces the gateway 10.88.0.254.
struct DHCPNetwork {
  var lab: Lab
  private var processes: [String] = []

  enum Part: CaseIterable { case server, daemon }

  /// Runs `body` with a new lab; the started programs are ended afterwards, also after an error.
  static func use(
    containers: Int = 1, _ parts: Set<Part> = Set(Part.allCases), options: String = "",
    _ body: (inout DHCPNetwork) throws -> Void
  ) throws {
    try Lab.use(containers: containers + 1) { lab in
      var network = DHCPNetwork(lab: lab)
      defer { network.end() }
      if parts.contains(.server) { try network.startServer() }
      if parts.contains(.daemon) { try network.startDaemon(options) }
      try body(&network)
    }
  }

  private init(lab: Lab) { self.lab = lab }

  private var server: String { lab.container(lab.containerCount) }
  private var socket: String { "\(lab.directory)/dhcp.sock" }

  func config(_ keys: String = "{}") throws -> JSONValue {
    let ipam = JSONValue.object(["type": "dhcp", "daemonSocketPath": .string(socket)])
    return try lab.bridge(keys, subnets: [], version: .v1_0_0).with("ipam", ipam)
  }

  private mutating func startServer() throws {
    let uplink = """
      ip link add br0 type bridge
      ip link add up0 type veth peer name eth0 netns \(server)
      ip link set up0 master br0
      ip link set br0 up
      ip link set up0 up
      """
    try lab.shell(uplink, in: lab.host)
    let program = """
      ip addr add 10.88.0.1/24 dev eth0
      ip link set eth0 up
      dnsmasq --conf-file=/dev/null --user=root --port=0 --bind-interfaces --interface=eth0 --no-ping \
        --dhcp-range=10.88.0.10,10.88.0.99,1h --dhcp-option=option:router,10.88.0.254 --dhcp-authoritative \
        --dhcp-leasefile=\(lab.directory)/served --log-facility=\(lab.directory)/served.log \
        --pid-file=\(lab.directory)/served.pid < /dev/null > /dev/null 2>&1
      cat \(lab.directory)/served.pid
      """
    processes.append(try lab.shell(program, in: server).trimmingCharacters(in: .whitespacesAndNewlines))
  }

  /// Starts the daemon with short time limits: four attempts of 0.1 seconds, with some seconds between them.
  private mutating func startDaemon(_ options: String) throws {
    let program = """
      \(Binaries.reference)/dhcp daemon -socketpath \(socket) -timeout 100ms -resendmax 100ms \(options) \
        < /dev/null > \(lab.directory)/daemon.log 2>&1 &
      echo $!
      """
    processes.append(try lab.shell(program, in: lab.host).trimmingCharacters(in: .whitespacesAndNewlines))
    try lab.shell("until \(isListening); do sleep 0.02; done", in: lab.host)
  }

  private var isListening: String { "ss --listening --unix --no-header | grep -qF \(socket)" }

  /// Ends the server and the daemon if they run.
  mutating func end() {
    let script = "kill \(processes.joined(separator: " ")); while \(isListening); do sleep 0.02; done"
    if !processes.isEmpty { _ = try? lab.run("/bin/sh", ["-c", script], in: lab.host) }  // report the test's error
    processes = []
  }

  /// The MAC address and IP address of every lease of the server.
  func leases() -> [[String]] {
    let text = (try? String(contentsOfFile: "\(lab.directory)/served", encoding: .utf8)) ?? ""
    return text.split(separator: "\n").map { $0.split(separator: " ")[1...2].map(String.init) }.sorted { $0[1] < $1[1] }
  }

  /// Repeats `look` for five seconds until it returns `wanted`: the server writes its files after its answer.
  func eventually<Value: Equatable>(_ wanted: Value, _ look: () throws -> Value) rethrows -> Value {
    for _ in 0..<250 {
      let seen = try look()
      if seen == wanted { return seen }
      Thread.sleep(forTimeInterval: 0.02)
    }
    return try look()
  }

  /// The released addresses, from the server's log.
  func released() -> [String] {
    let text = (try? String(contentsOfFile: "\(lab.directory)/served.log", encoding: .utf8)) ?? ""
    return text.split(separator: "\n").filter { $0.contains("DHCPRELEASE") }
      .compactMap { line in line.split(separator: " ").first { $0.hasPrefix("10.88.0.") }.map(String.init) }
  }
}
