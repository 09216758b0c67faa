import CNI
import Foundation
import NetTypes
import Nftables
import PacketFilter
import TestSupport
import Testing

extension NftablesTests {
  /// What `nft list ruleset` prints, and what `nft` itself makes of the commands that are printed for an operator.
  @Suite struct Golden {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden")

    @Test(arguments: GoldenRules.names)
    func `nft list ruleset prints the golden text`(name: String) throws {
      let ruleSets = try GoldenRules.ruleSets(name)
      let printed = try onHost {
        let backend = NftablesBackend()
        for ruleSet in ruleSets { try backend.add(ruleSet) }
        return try ruleset()
      }
      let file = Self.folder.appending(path: "\(name).txt")
      if ProcessInfo.processInfo.environment["CNI_WRITE_GOLDEN"] != nil {
        try Data(printed.utf8).write(to: file)
      }
      let golden = try String(decoding: Data(contentsOf: file), as: UTF8.self)
      #expect(printed == golden)
    }

    @Test(arguments: GoldenRules.names)
    func `the kernel has the same bytecode as from nft with the printed commands`(name: String) throws {
      let ruleSets = try GoldenRules.ruleSets(name)
      let ours = try onHost {
        let backend = NftablesBackend()
        for ruleSet in ruleSets { try backend.add(ruleSet) }
        return try nft("--debug=netlink", "list", "ruleset")
      }
      let theirs = try onHost {
        let backend = NftablesBackend()
        for ruleSet in ruleSets {
          let commands = try backend.commands(adding: ruleSet).dropFirst().dropLast()
          _ = try nft("-f", "-", input: commands.joined(separator: "\n"))
        }
        return try nft("--debug=netlink", "list", "ruleset")
      }
      #expect(sortingElements(ours) == sortingElements(theirs))
    }
  }
}

/// The lines, with each set's elements in order: the kernel lists them by a random hash.
private func sortingElements(_ text: String) -> [String] {
  var lines: [String] = []
  var elements: [String] = []
  for line in text.replacingOccurrences(of: "[end]\telement", with: "[end]\n\telement").split(separator: "\n") {
    if line.hasPrefix("\telement") {
      elements.append(String(line))
    } else {
      lines += elements.sorted() + [String(line)]
      elements = []
    }
  }
  return lines + elements.sorted()
}

/// Rules of every kind that need no text of an operator, and values that are encoded differently.
enum GoldenRules {
  static let names =
    PluginRole.allCases.map(\.rawValue) + [
      "conditions", "container", "guard", "isolation", "marks", "prefixes", "ranges", "spares",
    ]

  static func ruleSets(_ kind: String) throws -> [RuleSet] {
    if let role = PluginRole(rawValue: kind) {
      return [RuleSet(try owner("c1"), role, try everyKind(role).filter { !hasConditions($0) })]
    }
    let role: PluginRole = kind == "isolation" ? .network : kind == "container" ? .policies : .ports
    return try rules(kind).enumerated().map { RuleSet(try owner("c\($0)"), role, $1) }
  }

  private static func hasConditions(_ rule: Rule) -> Bool {
    if case .publish(let port) = rule { !port.conditions.isEmpty } else { false }
  }

  private static func rules(_ kind: String) throws -> [[Rule]] {
    switch kind {
    case "conditions": return [try everyKind(.ports).filter(hasConditions)]
    case "container": return [[try inContainer("eth0", usesDHCP: false)], [try inContainer("eth1", usesDHCP: true)]]
    case "guard": return [[try .guardSource(SourceGuard(name("veth0"), mac: "02:00:00:00:00:09"))]]
    case "isolation": return [try isolations()]
    case "marks": return try [0, 13, 31].map { try [.publish(marked($0)), .publish(marked($0, to: "fd00::\($0)"))] }
    case "prefixes": return [try masquerades()]
    case "ranges": return try ranges().map { [.limit($0)] }
    default: return try [spares(isBound: false), spares(isBound: true)]
    }
  }

  private static func inContainer(_ interface: String, usesDHCP: Bool) throws -> Rule {
    let ingress: [Policy.Permission] = try [
      .init(.prefix(prefix("192.0.2.0/25")), [PortSpan(80...90, .tcp)]), .init(.prefix(.everything(.v6))),
    ]
    var policy = Policy(of: [], on: [try name(interface)], ingress: ingress, egress: [.init(.anyone)], logGroup: 5)
    policy.isInContainer = true
    policy.usesDHCP = usesDHCP
    return .limit(policy)
  }

  private static func isolations() throws -> [Rule] {
    let direct = try [prefix("10.128.0.0/9"), prefix("10.5.0.0/16"), prefix("fd00::/48"), prefix("fd00:1::/61")]
    return try Isolation.Reach.allCases.enumerated().flatMap { index, reach in
      try [false, true].map { separates in
        try .isolate(
          Isolation(
            name("br\(index)\(separates)"), directPrefixes: direct, reach: reach, separatesContainers: separates))
      }
    }
  }

  private static func marked(_ bit: Int, to target: String? = nil) throws -> PublishedPort {
    var marked = try port(UInt16(8000 + bit), to: target ?? "10.1.0.\(bit + 2)")
    marked.masquerade?.marking = .bit(bit)
    marked.masquerade?.everything = bit == 0
    return marked
  }

  private static func masquerades() throws -> [Rule] {
    try (8...32).map { try .masquerade(Masquerade(address("10.\($0).8.7"), in: prefix("10.\($0).8.7/\($0)"))) }
      + [0, 1, 7, 48, 50, 64, 65, 127, 128].map {
        try .masquerade(Masquerade(address("fd00::\($0):7"), in: prefix("fd00::\($0):7/\($0)"), isRandom: $0 == 64))
      }
      + [.masquerade(Masquerade(address("192.0.2.1"), in: prefix("192.0.2.1/0")))]
  }

  private static func ranges() throws -> [Policy] {
    let addresses = try [address("10.1.0.2"), address("fd00::2")], link = try name("br0")
    func allowing(_ texts: [(String, String)]) throws -> [Policy.Permission] {
      try texts.map { .init(.prefix(try prefix($0)), try $1.isEmpty ? [] : [#require(PortSpan($1))]) }
    }
    let ingress = try allowing([
      ("10.0.0.0/8", ""), ("10.128.0.0/9", "80"), ("255.255.255.0/24", ""), ("fd00::/64", ""), ("ffff::/16", ""),
      ("192.0.2.0/25", "80/tcp"), ("192.0.2.0/24", "1-65535/udp"), ("2001:db8::/32", "443"),
      ("2001:db8:1::/48", "65535/tcp"),
    ])
    let egress = try allowing([
      ("192.0.2.1/32", ""), ("192.0.2.3/32", ""), ("2001:db8::1/128", ""), ("2001:db8::3/128", ""),
      ("192.0.2.7/32", "80/tcp"), ("192.0.2.9/32", "81/tcp"), ("2001:db8::7/128", "80/tcp"),
      ("2001:db8::9/128", "81/udp"),
    ])
    let joined = try allowing([
      ("10.0.1.0/24", "80"), ("10.0.2.0/24", "80"), ("::/1", "80/tcp"), ("8000::/1", "80/tcp"),
      ("0.0.0.0/8", "80"), ("255.0.0.0/8", "80"),
    ])
    return try [
      Policy(of: addresses, on: [link], ingress: ingress, egress: egress),
      Policy(
        of: [address("10.1.0.3"), address("fd00::3")], on: [link], ingress: joined,
        egress: allowing([("10.0.1.0/24", ""), ("10.0.2.0/24", ""), ("::/0", "")])),
    ]
  }

  private static func spares(isBound: Bool) throws -> [Rule] {
    try TransportProtocol.allCases.flatMap { transport in
      try [false, true].map { isSix in
        var spare = try PublishedPort(
          transport, hostIP: isBound ? address(isSix ? "2001:db8::1" : "192.0.2.1") : nil, hostPort: 53,
          to: address(isSix ? "fd00::2" : "10.1.0.2"), 5353)
        spare.excludedDevices = try [name("eth9"), name("a23456789012345")]
        spare.isSpare = true
        return .publish(spare)
      }
    }
  }
}
