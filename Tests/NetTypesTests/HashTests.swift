import NetTypes
import Testing

@Suite struct HashTests {
  @Test(arguments: [("", 0xCBF2_9CE4_8422_2325, 0x811C_9DC5), ("foobar", 0x8594_4171_F739_67E8, 0xBF9C_F968)])
  func `FNV-1a has the published values`(text: String, value: UInt64, value32: UInt32) {
    #expect(FNV1a(text).value == value)
    #expect(FNV1a.hash32(text) == value32)
  }

  @Test func `the mixed hash of a text is always the same`() {
    #expect(FNV1a("/var/lib/cni/networks/net").mixed.hexDigits == "fe6a4ee445bba4fb")
  }

  @Test func `hexadecimal digits are as many as the type has`() {
    #expect([UInt8(10).hexDigits, UInt16(0x123).hexDigits, UInt32.max.hexDigits] == ["0a", "0123", "ffffffff"])
  }
}
