public import CNI
public import Testing

/// Containers whose packets do not pass the host, with policies in their network namespaces.
///
/// Containers 1 and 2 are on the networks `net` (`eth0`) and `other` (`eth1`); container 3 is the network outside. Only the
/// policy of container 1 on `net` limits anything; container 2 has none.
public struct ContainerPolicies {
  let lab: Lab
  public let plugin: String
  /// The configuration with the policy, the same without it, and that of `other`.
  public let limited: JSONValue
  let open: JSONValue
  public let other: JSONValue

  private static let policy = """
    {"policy": {"ingress": [{"from": {"cidr": "10.77.0.1/32"}, "ports": ["80/tcp", "81-89/udp"]},
                            {"from": {"cidr": "fd77::1/128"}, "ports": ["80/tcp", "81-89/udp"]}, {"ports": ["90"]}],
                "egress": [{"to": {"cidr": "10.77.0.1/32"}, "ports": ["80"]}, {"to": {"cidr": "fd77::1/128"}}]}}
    """

  public init(_ plugin: String, _ keys: String = "{}", in lab: Lab) throws {
    self.lab = lab
    self.plugin = plugin
    open = try lab.upper(plugin, keys)
    limited = open.merging(try JSONValue(json: Self.policy))
    other = try lab.upper(plugin, keys, subnets: ["10.78.0.0/24", "fd78::/64"]).with("name", .string("other"))
  }

  /// - Returns: the result of container 1 on `net`.
  public func attach() throws -> JSONValue {
    try lab.addMaster()
    // Else eth1, on the same LAN, answers for the address of eth0, and packets arrive where no policy limits them.
    for number in 1...2 { try lab.shell("sysctl -qw net.ipv4.conf.all.arp_ignore=1", in: lab.container(number)) }
    let result = try lab.add(limited, to: 1, plugin: plugin).result()
    try lab.add(open, to: 2, plugin: plugin).requireSuccess()
    for number in 1...2 { try lab.add(other, to: number, as: "eth1", plugin: plugin).requireSuccess() }
    return result
  }

  /// Expects that the connections that the policy lists pass and no others.
  public func expectLimits(sourceLocation: SourceLocation = #_sourceLocation) throws {
    let passing = [
      "3 tcp 80 > 10.77.0.2", "3 tcp 80 > fd77::2", "3 udp 85 > 10.77.0.2", "3 udp 85 > fd77::2",
      "2 tcp 90 > 10.77.0.2", "2 udp 90 > fd77::2", "1 tcp 80 > 10.77.0.1", "1 udp 80 > 10.77.0.1",
      "1 tcp 81 > fd77::1", "1 ping > fd77::1", "2 ping > 10.77.0.1", "1 ping > 10.78.0.3", "2 tcp 80 > 10.78.0.2",
      "2 ping > fd78::2", "1 tcp 81 > 127.0.0.1", "1 tcp 81 > 10.77.0.2",
    ]
    let denied = [
      "2 tcp 80 > 10.77.0.2", "2 tcp 80 > fd77::2", "3 tcp 81 > 10.77.0.2", "3 udp 80 > fd77::2",
      "3 ping > 10.77.0.2", "3 ping > fd77::2", "1 tcp 81 > 10.77.0.1", "1 ping > 10.77.0.1", "1 tcp 80 > 10.77.0.3",
      "1 ping > fd77::3",
    ]
    try lab.expect(passing, not: denied, sourceLocation: sourceLocation)
  }

  /// The rules in the namespace of container 1, without counts.
  public func rules() throws -> [String] {
    try lab.shell("nft list ruleset | sed 's/packets [0-9]* bytes [0-9]*//'", in: lab.container(1))
      .split(separator: "\n").map(String.init)
  }
}

extension Lab {
  /// Expects that the first requests are answered and the others are not; all are sent at once.
  ///
  /// `1 tcp 80 > 10.77.0.3`, `2 ping > fd77::1`: from containers by their numbers. Every container listens on every port.
  public func expect(
    _ answered: [String], not denied: [String], sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let requests = (answered + denied).enumerated().map { index, text in
      let words = text.split(separator: " ").map(String.init)
      let port = words.count == 5 ? Int(words[2]) ?? 0 : 0
      return Probe(
        from: "\(name)-c\(words[0])", to: words[words.count - 1], Probe.Transport(rawValue: words[1]) ?? .ping, port,
        patience: index < answered.count ? 15 : 1)
    }
    let listening = requests.filter { $0.transport != .ping }
    let servers = Set(
      (1...containerCount).flatMap { number in
        listening.map { Server("c\(number)", in: container(number), $0.transport, $0.port) }
      })
    let answers = try answers(to: requests, servers: Array(servers))
    let passed = zip(answered + denied, answers).compactMap { text, answer in if case .by = answer { text } else { nil }
    }
    #expect(passed == answered, sourceLocation: sourceLocation)
  }
}
