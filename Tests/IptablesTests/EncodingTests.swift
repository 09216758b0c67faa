import NetTypes
import PacketFilter
import Testing
@testable import Iptables

/// Table entries in the layout of `linux/netfilter_ipv4/ip_tables.h` and `linux/netfilter/x_tables.h`.
struct EncodingTests {
  static var rule: TableRule {
    var rule = TableRule(.v4, .port(.tcp, 8080), target: .destination(.v4("10.1.0.2"), port: 80))
    rule.transport = .tcp
    rule.source = Test(IPPrefix("10.1.0.0/16") ?? .everything(.v4))
    rule.inDevice = Test(Device(InterfaceName("eth0") ?? .any), isNegated: true)
    return rule
  }

  @Test func `an IPv4 rule has these bytes`() {
    let header =
      "0a010000 00000000 ffff0000 00000000 65746830 000000000000000000000000 00000000000000000000000000000000 "
      + "ffffffffff 0000000000000000000000 00000000000000000000000000000000 0600 00 01 00000000 a000 f000 00000000 "
      + "00000000000000000000000000000000 "
    let match = "3000 746370" + String(repeating: "00", count: 27) + " 0000 ffff 901f 901f 00000000 00000000 "
    let target =
      "5000 444e4154" + String(repeating: "00", count: 25) + "02 03000000 "
      + String(repeating: "0a010002000000000000000000000000", count: 2) + " 0050 0050 00000000 00000000"
    #expect(hex(Self.rule.bytes) == (header + match + target).filter { $0 != " " })
  }

  @Test func `an IPv6 rule has these bytes`() {
    var rule = TableRule(.v6, target: .jump("X"))
    rule.transport = .udp
    rule.outDevice = Test(Device(pattern: "br+") ?? Device(.any))
    let zeros = String(repeating: "00", count: 16)
    let header =
      zeros + zeros + zeros + zeros + zeros + "62722b" + String(repeating: "00", count: 13) + zeros + "ffff"
      + String(repeating: "00", count: 14) + "1100 00 01 00 000000 00000000 a800 d000 00000000 00000000" + zeros
    let target = "2800 58" + String(repeating: "00", count: 29) + " 00000000 00000000"
    #expect(hex(rule.bytes) == (header + target).filter { $0 != " " })
  }

  @Test(arguments: [
    (Match.port(.udp, 1), 48), (.port(.sctp, 1), 328), (.comment("x"), 288), (.states(Test(.related)), 200),
    (.addressType(source: nil, destination: Test(.local)), 40), (.mark(Test(Masked(1))), 48),
    (.groups(source: nil, destination: Test(Masked(1))), 56), (.ranges(source: nil, destination: nil), 104),
  ])
  func `a match has the kernel's size`(match: Match, size: Int) {
    #expect(match.bytes.count == size)
    #expect(match.bytes.number16(at: 0) == size)
  }

  @Test(arguments: IPFamily.allCases)
  func `a published port is read back`(family: IPFamily) {
    let target = family == .v4 ? IPAddress.v4("10.1.0.2") : IPAddress(v6: 0xFD << 120 | 2)
    for transport in TransportProtocol.allCases {
      var rule = TableRule(
        family, .port(transport, 8080), .comment("cni:n/c/eth0 ports"), target: .destination(target, port: 443))
      rule.transport = transport
      rule.destination = Test(IPPrefix(host: target))
      let read = PresentRule(family, read: rule.bytes, target: "DNAT")
      #expect(read.publishedPort == PublishedPort(transport, hostIP: target, hostPort: 8080, to: target, 443))
      #expect(read.comment == "cni:n/c/eth0 ports")
      #expect(read.key == rule.key)
    }
  }

  @Test func `a comment marks only its own attachment`() {
    let rule = TableRule(.v4, .comment("cni:n/c/eth0 firewall CNI-ADMIN"), target: .accept)
    let read = PresentRule(.v4, rule.bytes, target: "ACCEPT", isExtension: false)
    #expect(read.hasOwnerComment("cni:n/c/eth0 firewall"))
    #expect(!read.hasOwnerComment("cni:n/c/eth0 fire"))
    #expect(!read.hasOwnerComment("cni:n/c/eth0 firewall CNI-ADMIN2"))
    #expect(read.neededChain == "CNI-ADMIN")
    #expect(Table.tag("cni:n/c/eth0 firewall CNI-ADMIN") == "cni:n/c/eth0")
    #expect(Table.tag("cni:n/c/eth0 firewall", .ports) == nil)
    #expect(Table.tag("cni: published ports") == nil)
  }

  @Test func `different rules have different keys`() {
    var other = Self.rule
    other.matches = [.port(.tcp, 8081)]
    #expect(other.key != Self.rule.key)
    other = Self.rule
    other.target = .destination(.v4("10.1.0.2"), port: 81)
    #expect(other.key != Self.rule.key)
  }

  @Test func `bytes after the name of a match are ignored`() {
    var bytes = Self.rule.bytes
    bytes[112 + 2 + 5] = 0xAA
    #expect(PresentRule(.v4, read: bytes, target: "DNAT").key == Self.rule.key)
  }
}

private func hex(_ bytes: [UInt8]) -> String {
  bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}

extension IPAddress {
  static func v4(_ text: String) -> IPAddress { IPAddress(text) ?? IPAddress(v4: 0) }
}

extension InterfaceName {
  static var any: InterfaceName {
    guard let name = InterfaceName("any") else { preconditionFailure() }
    return name
  }
}
