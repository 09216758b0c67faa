import CNI
import IPAM
import NetTypes
import Testing

@Suite struct TextTests {
  @Test(
    arguments: [
      ("a\r\neth0", "a", "eth0"), ("a\r\neth0\n", "a", "eth0"), (" \ta\r\neth0", "a", "eth0"), ("a", "a", nil),
      ("a\r\n", "a", nil), ("a b", "a b", nil), ("a\neth0", "a\neth0", nil), ("a\r\nb\r\nc", "a", "b\r\nc"),
    ] as [(String, String, String?)])
  func `a lease is read as the reference plugin reads it`(text: String, container: String, interface: String?) {
    #expect(LeaseHolder(fileContent: Array(text.utf8)) == LeaseHolder(container: container, interface: interface))
  }

  @Test(arguments: [[], [0], [32, 13, 10], [97, 0], [0xFF, 0xFE], [0xC3]] as [[UInt8]])
  func `a lease file without text has no holder`(bytes: [UInt8]) {
    #expect(LeaseHolder(fileContent: bytes) == nil)
  }

  @Test(arguments: [
    ("10.1.0.0-10.1.0.9", "10.1.0.3-10.1.0.5", ["10.1.0.0-10.1.0.2", "10.1.0.6-10.1.0.9"]),
    ("10.1.0.0-10.1.0.9", "10.1.0.0", ["10.1.0.1-10.1.0.9"]), ("10.1.0.0-10.1.0.9", "10.1.0.9", ["10.1.0.0-10.1.0.8"]),
    ("10.1.0.5", "10.1.0.0/24", []), ("10.1.0.5", "10.1.0.6", ["10.1.0.5"]), ("10.1.0.5", "::/0", ["10.1.0.5"]),
    ("0.0.0.0/0", "0.0.0.0", ["0.0.0.1-255.255.255.255"]),
    ("255.255.255.254/31", "255.255.255.255", ["255.255.255.254"]),
    ("::/0", "::", ["::1-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"]),
  ])
  func `the difference of two spans is what remains of the first`(whole: String, taken: String, rest: [String]) throws {
    let (whole, taken) = try (#require(AddressSpan(whole)), #require(AddressSpan(taken)))
    #expect(whole.without(taken).map(\.description) == rest)
  }

  @Test func `spans are counted without overflow`() throws {
    #expect(try #require(AddressSpan("::/0")).count == .max)
    #expect(try #require(AddressSpan("0.0.0.0/0")).count == 1 << 32)
    #expect(try sets(#""ranges": [[{"subnet": "::/1"}, {"subnet": "8000::/2"}]]"#)[0].capacity > 1 << 127)
  }

  @Test func `resolv.conf is read as the resolver reads it`() {
    let text =
      "; a\n#b\nnameserver 10.1.0.1 x\n\tnameserver\t10.1.0.2\ndomain a\ndomain b\nsearch a b\nsearch c\noptions x y\nsortlist z\nnameserver\n"
    let dns = DNS(nameservers: ["10.1.0.1", "10.1.0.2"], domain: "b", search: ["a", "b", "c"], options: ["x", "y"])
    #expect(DNS(resolvConf: text) == dns)
    #expect(DNS(resolvConf: "").isEmpty)
  }
}
