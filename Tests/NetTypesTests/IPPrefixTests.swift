import NetTypes
import Testing

@Suite struct IPPrefixTests {
  @Test(arguments: [
    ("10.1.2.3/24", "10.1.2.0/24", "10.1.2.255"), ("10.1.2.3/32", "10.1.2.3/32", "10.1.2.3"),
    ("10.1.2.3/0", "0.0.0.0/0", "255.255.255.255"), ("fd00::1:2/112", "fd00::1:0/112", "fd00::1:ffff"),
    ("fd00::1/0", "::/0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), ("10.0.0.5/31", "10.0.0.4/31", "10.0.0.5"),
  ])
  func `a prefix has a network and a last address`(text: String, network: String, last: String) throws {
    let prefix = try #require(IPPrefix(text))
    #expect(prefix.description == text)
    #expect(prefix.network.description == network)
    #expect(prefix.last.description == last)
  }

  @Test(arguments: ["", "/", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08", "fd00::/129", "/24"])
  func `refuses invalid prefixes`(text: String) {
    #expect(IPPrefix(text) == nil)
  }

  @Test(arguments: [
    ("10.0.0.0/8", "10.9.0.0/16", true), ("10.9.0.0/16", "10.0.0.0/8", true), ("10.0.0.0/24", "10.0.1.0/24", false),
    ("0.0.0.0/0", "fd00::/8", false), ("fd00::/64", "fd00::ffff/128", true),
  ])
  func `prefixes overlap in either order`(left: String, right: String, overlap: Bool) throws {
    #expect(try #require(IPPrefix(left)).overlaps(#require(IPPrefix(right))) == overlap)
  }

  @Test(arguments: [
    ("10.0.0.0", "10.0.0.255", "10.0.0.0/24"), ("0.0.0.0", "255.255.255.255", "0.0.0.0/0"),
    ("10.0.0.7", "10.0.0.7", "10.0.0.7/32"), ("10.0.1.0", "10.0.2.255", nil), ("10.0.0.0", "10.0.0.254", nil),
    ("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::/0"), ("fd00::", "fd00::1", "fd00::/127"),
  ])
  func `a range is a prefix if it is all of one`(first: String, last: String, prefix: String?) throws {
    #expect(try IPPrefix(#require(IPAddress(first))...#require(IPAddress(last)))?.description == prefix)
  }
}
