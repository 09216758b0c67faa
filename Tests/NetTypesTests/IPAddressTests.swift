import NetTypes
import Testing

@Suite struct IPAddressTests {
  @Test(arguments: [
    "0.0.0.0", "10.1.2.3", "255.255.255.255", "::", "::1", "fe80::1", "2001:db8::8:800:200c:417a", "1:2:3:4:5:6:7:8",
    "2001:db8:0:1:1:1:1:1", "2001:0:0:1::1", "1::",
  ])
  func `parsing keeps canonical text`(text: String) {
    #expect(IPAddress(text)?.description == text)
  }

  @Test(arguments: [
    ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"), ("::ffff:10.0.0.1", "10.0.0.1"), ("64:ff9b::10.0.0.1", "64:ff9b::a00:1"),
    ("1:0:0:2:0:0:0:3", "1:0:0:2::3"), ("0:0:1::", "0:0:1::"), ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
  ])
  func `text is converted to canonical form`(written: String, canonical: String) {
    #expect(IPAddress(written)?.description == canonical)
  }

  @Test(arguments: [
    "", "1", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.-4", "1.2.3.4 ", " 1.2.3.4", "1.2.3.4/24", ":",
    ":::",
    "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", "g::", "fe80::1%eth0", "::1.2.3",
    "1:2:3:4:5:6:7:1.2.3.4",
    "1::2:3:4:5:6:7:8", "１.2.3.4",
  ])
  func `refuses invalid addresses`(text: String) {
    #expect(IPAddress(text) == nil)
  }

  @Test func `an address is equal after conversion to bytes and back`() {
    for text in ["10.1.2.3", "fd00::2:1"] {
      let address = IPAddress(text)
      #expect(address.flatMap { IPAddress(bytes: $0.bytes) } == address)
    }
    #expect(IPAddress(bytes: [1, 2, 3]) == nil)
  }

  @Test func `advancing past the last address of a family returns nil`() {
    #expect(IPAddress("255.255.255.255")?.advanced(by: 1) == nil)
    #expect(IPAddress("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")?.advanced(by: 1) == nil)
    #expect(IPAddress("::")?.predecessor == nil)
    #expect(IPAddress("10.0.0.255")?.advanced(by: 1) == IPAddress("10.0.1.0"))
  }
}
