import NetTypes
import Testing

@Suite struct NameTests {
  @Test(arguments: ["eth0", "a", "veth0.100", "123456789012345"])
  func `accepts interface names that the kernel accepts`(text: String) {
    #expect(InterfaceName(text)?.description == text)
  }

  @Test(arguments: [
    "", ".", "..", "a/b", "a:b", "a b", "a\tb", "a\u{A0}b", "1234567890123456", "a\u{0}", "br%d", "br*", "%", "*",
  ])
  func `refuses invalid interface names`(text: String) {
    #expect(InterfaceName(text) == nil)
  }

  @Test func `MAC addresses are read with colons or dashes`() {
    #expect(MACAddress("02:42:AC:11:00:02")?.description == "02:42:ac:11:00:02")
    #expect(MACAddress("02-42-ac-11-00-02") == MACAddress("02:42:ac:11:00:02"))
  }

  @Test(arguments: [
    "", "02:42:ac:11:00", "02:42:ac:11:00:02:03", "2:42:ac:11:00:02", "02:42:ac:11:00:0g", "02:42-ac:11:00:02",
  ])
  func `refuses invalid MAC addresses`(text: String) {
    #expect(MACAddress(text) == nil)
  }

  @Test func `a MAC address can be derived from an IPv4 address only`() throws {
    #expect(try MACAddress(derivedFrom: #require(IPAddress("172.17.0.2")))?.description == "02:42:ac:11:00:02")
    #expect(try MACAddress(derivedFrom: #require(IPAddress("fd00::1"))) == nil)
  }

  @Test func `VLAN identifiers run from 1 to 4094`() {
    #expect([0, 1, 4094, 4095].map { VLANID($0)?.number } == [nil, 1, 4094, nil])
  }
}
