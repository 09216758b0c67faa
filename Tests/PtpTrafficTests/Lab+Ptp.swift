import CNI
import LabSupport
import Testing

/// The packet filter backend, by its name in configurations.
enum Backend: String, CaseIterable, Sendable, CustomTestStringConvertible {
  case iptables, nftables

  var testDescription: String { rawValue }
}

enum Families: String, CaseIterable, CustomTestStringConvertible {
  case v4, v6, dual

  var subnets: [String] {
    switch self {
    case .v4: ["10.78.0.0/24"]
    case .v6: ["fd78::/64"]
    case .dual: ["10.78.0.0/24", "fd78::/64"]
    }
  }

  /// The addresses of the other end, and of the n-th attached container.
  var gateways: [String] { container(0) }
  func container(_ number: Int) -> [String] {
    subnets.map { $0.hasPrefix("fd") ? "fd78::\(number + 1)" : "10.78.0.\(number + 1)" }
  }

  var testDescription: String { rawValue }
}

extension Lab {
  /// A network `NAME-p` (NAME: the lab's name) between containers and their host, with default routes.
  ///
  /// `keys` are further members of the configuration, which take precedence.
  func ptp(
    _ keys: String = "{}", _ families: Families = .dual, version: SpecVersion = .latest
  ) throws -> JSONValue {
    let ranges = families.subnets.map { JSONValue.array([.object(["subnet": .string($0)])]) }
    let routes = families.subnets.map { $0.hasPrefix("fd") ? "::/0" : "0.0.0.0/0" }
    let ipam = JSONValue.object([
      "type": "host-local", "dataDir": .string(dataDir), "ranges": .array(ranges),
      "routes": .array(routes.map { .object(["dst": .string($0)]) }),
    ])
    return JSONValue.object([
      "cniVersion": .string(version.rawValue), "name": .string("\(name)-p"), "type": "ptp", "ipam": ipam,
    ]).merging(try JSONValue(json: keys))
  }

  /// The link of "Building a point-to-point connection": 10.1.1.1 in the container, 10.1.1.2 in container `peer`.
  func pair(_ peer: String, _ keys: String = "{}") throws -> JSONValue {
    try JSONValue(
      json: #"""
        {"cniVersion": "1.0.0", "name": "\#(name)-pair", "type": "ptp", "peer": "\#(peer)",
         "ipam": {"type": "static", "addresses": [{"address": "10.1.1.1/32", "gateway": "10.1.1.2"},
                                                  {"address": "fd01:1::1/128", "gateway": "fd01:1::2"}]}}
        """#
    ).merging(try JSONValue(json: keys))
  }

  func attach(_ config: JSONValue, _ container: Int = 1, as interface: String = "eth0") throws -> JSONValue {
    try add(config, to: container, as: interface, plugin: config.text("type") ?? "").result()
  }

  func detach(_ config: JSONValue, _ container: Int = 1, as interface: String = "eth0") throws {
    try delete(config, from: container, as: interface, plugin: config.text("type") ?? "").requireSuccess()
  }

  /// The message of CHECK; empty if CHECK succeeds.
  func complaint(
    _ config: JSONValue, _ result: JSONValue, _ container: Int = 1, as interface: String = "eth0"
  ) throws -> String {
    try check(config, result, on: container, as: interface, plugin: config.text("type") ?? "").complaint
  }

  /// The destinations of a namespace's routes, without those of link-local addresses, which the kernel adds by itself.
  func destinations(in namespace: String) throws -> [String] {
    try (routes(.v4, in: namespace) + routes(.v6, in: namespace)).compactMap { $0.text("dst") }.sorted()
  }

  /// The host end of an attachment.
  func hostEnd(_ result: JSONValue) throws -> String { try #require(result.text("interfaces.0.name")) }

  /// Every rule and table of nftables, and the legacy rules.
  func rules() throws -> [String] {
    try shell("nft -s list ruleset; for t in iptables ip6tables; do $t-legacy-save; $t-nft-save; done", in: host)
      .split(separator: "\n").map(String.init)
      .filter { $0.hasPrefix("-A") || $0.hasPrefix("table") || $0.contains(" - [") }
  }

  /// Gives the host an uplink to a machine "out", which has no route to any container.
  func makeUplink() throws {
    try shell(
      """
      ip netns add \(name)-out
      ip link add uplink netns \(host) type veth peer name eth0 netns \(name)-out
      ip -n \(name)-out link set eth0 up
      ip -n \(host) link set uplink up
      ip -n \(name)-out address add 192.0.2.1/24 dev eth0
      ip -n \(name)-out address add 2001:db8::1/64 dev eth0 nodad
      ip -n \(host) address add 192.0.2.2/24 dev uplink
      ip -n \(host) address add 2001:db8::2/64 dev uplink nodad
      ip -n \(host) route add default via 192.0.2.1
      ip -n \(host) -6 route add default via 2001:db8::1
      """)
  }
}
