import NetTypes
import Netfilter
import PacketFilter
import Testing
@testable import Nftables

/// What the prefixes of a policy become.
@Suite struct AllowedRangeTests {
  private static func ranges(_ texts: [(String, String)]) throws -> [AllowedRange] {
    try [AllowedRange](
      texts.map { prefix, ports in
        (
          try #require(IPPrefix(prefix)),
          try ports.split(separator: " ").map { try #require(PortSpan(String($0))) }.merged
        )
      })
  }

  private static func texts(_ ranges: [AllowedRange]) -> [String] {
    ranges.map { one in
      (["\(one.addresses.lowerBound)-\(one.addresses.upperBound)"] + one.ports.map { "\($0)" }).joined(separator: " ")
    }
  }

  private static let prefixes: [([(String, String)], [String])] = [
    ([("10.0.0.0/8", ""), ("10.1.0.0/16", "80/tcp")], ["10.0.0.0-10.255.255.255"]),
    (
      [("10.1.0.0/16", "80/tcp"), ("10.0.0.0/8", "443/tcp")],
      [
        "10.0.0.0-10.0.255.255 443/tcp", "10.1.0.0-10.1.255.255 80/tcp 443/tcp", "10.2.0.0-10.255.255.255 443/tcp",
      ]
    ),
    (
      [("10.0.0.0/8", "80/tcp"), ("10.0.0.0/8", "81/tcp"), ("10.0.0.0/9", "79/tcp")],
      ["10.0.0.0-10.127.255.255 79-81/tcp", "10.128.0.0-10.255.255.255 80-81/tcp"]
    ),
    ([("10.1.2.3/24", ""), ("10.1.2.77/24", "")], ["10.1.2.0-10.1.2.255"]),
    ([("10.0.2.0/24", ""), ("10.0.1.0/24", ""), ("10.0.4.0/24", "")], ["10.0.1.0-10.0.2.255", "10.0.4.0-10.0.4.255"]),
    ([("0.0.0.0/1", "80/tcp"), ("128.0.0.0/1", "80/tcp")], ["0.0.0.0-255.255.255.255 80/tcp"]),
    (
      [("0.0.0.0/0", "65535/udp"), ("255.255.255.255/32", "")],
      ["0.0.0.0-255.255.255.254 65535/udp", "255.255.255.255-255.255.255.255"]
    ),
    (
      [("0.0.0.0/0", "65535/udp"), ("0.0.0.0/32", "1/udp")],
      ["0.0.0.0-0.0.0.0 1/udp 65535/udp", "0.0.0.1-255.255.255.255 65535/udp"]
    ),
    (
      [("ffff::/16", "1-65535/sctp"), ("::/128", "")],
      ["::-::", "ffff::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 1-65535/sctp"]
    ),
  ]

  @Test(arguments: prefixes)
  func `prefixes become ranges without overlaps`(prefixes: [(String, String)], ranges: [String]) throws {
    #expect(try Self.texts(Self.ranges(prefixes)) == ranges)
    #expect(try Self.texts(Self.ranges(prefixes.reversed())) == ranges)
  }

  private static let rules: [([(String, String)], [String])] = [
    ([("192.0.2.0/24", "")], ["ip saddr 192.0.2.0/24 return"]),
    ([("192.0.2.0/24", "80/tcp")], ["ip saddr 192.0.2.0/24 tcp dport 80 return"]),
    ([("0.0.0.0/0", "80/tcp")], ["meta nfproto ipv4 tcp dport 80 return"]),
    ([("::/1", ""), ("8000::/1", "")], ["meta nfproto ipv6 return"]),
    ([("10.0.1.0/24", ""), ("10.0.2.0/24", "")], ["ip saddr 10.0.1.0-10.0.2.255 return"]),
    (
      [("10.0.1.0/24", "80/tcp"), ("10.0.3.0/24", "80/tcp"), ("10.0.5.5/32", "")],
      ["ip saddr 10.0.5.5/32 return", "ip saddr { 10.0.1.0/24, 10.0.3.0/24 } tcp dport 80 return"]
    ),
    (
      [("fd00::/64", "80/tcp 90-91/udp"), ("fd00::7/128", "443/tcp")],
      [
        """
        ip6 saddr . meta l4proto . th dport { fd00::-fd00::6 . tcp . 80, fd00::-fd00::6 . udp . 90-91, \
        fd00::7 . tcp . 80, fd00::7 . tcp . 443, fd00::7 . udp . 90-91, fd00::8-fd00::ffff:ffff:ffff:ffff . tcp . 80, \
        fd00::8-fd00::ffff:ffff:ffff:ffff . udp . 90-91 } return
        """
      ]
    ),
  ]

  @Test(arguments: rules)
  func `the ranges of one family are one rule, or two if some have ports`(
    prefixes: [(String, String)], rules: [String]
  ) throws {
    #expect(try Self.ranges(prefixes).rules(.source).map(\.text) == rules)
  }

  @Test func `a thousand prefixes of both families are four rules`() throws {
    let permissions = try (0..<1000).map { number -> Policy.Permission in
      let text = number % 2 == 0 ? "10.\(number / 250).\(number % 250).0/25" : "fd00:\(number)::/32"
      let port = UInt16(1000 + number)
      let ports = number % 3 == 0 ? [] : [PortSpan(port...port, .tcp)]
      return .init(.prefix(try #require(IPPrefix(text))), ports)
    }
    let addresses = try [#require(IPAddress("10.1.0.2")), #require(IPAddress("fd00::2"))]
    let policy = Policy(of: addresses, on: [try #require(InterfaceName("br-x"))], ingress: permissions, egress: nil)
    let owner = ElementOwner("cni:net/c1/eth0", .network)
    let chain = try #require(NftablesPlan(.limit(policy), owner).chains.first)
    #expect(chain.rules.count == 2 + 1 + 4 + 1)
    // No message is longer than an attribute can be.
    let messages = ChangeMessages(chain.rules.map { .addRule(.inet, chain.name, $0) }).messages
    #expect(messages.allSatisfy { $0.attributes.all.count < 1 << 16 })
  }
}
