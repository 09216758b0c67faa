import Testing
@testable import Names

struct SearchTests {
  @Test(arguments: [
    ["10.1.0.2\tweb"], ["10.1.0.2\tweb", "10.1.0.2\tweb"], ["10.1.0.2\tweb", "10.1.0.2\tweb", "10.1.0.2\tweb"],
    ["10.1.0.20\tweb", "10.1.0.2\tweb.net"], ["0.1.0.2\tweb"], ["10.1.0.2\tlast"], ["missing"], [],
  ])
  func `searching single lines finds the same offsets as scanning all lines`(lines: [String]) {
    let text = HostsText(
      Array(
        "10.1.0.2\tweb\n110.1.0.2\tweb\n10.1.0.2\tweb.net\n#10.1.0.2\tweb\n10.1.0.20\tweb\n10.1.0.2\tweb   \n10.1.0.2\tlast"
          .utf8))
    #expect(text.offsets(of: lines) == text.search(for: lines).found)
  }

  @Test func `adjacent lines are deleted by one write that changes two bytes of each`() {
    let text = HostsText(Array("1.1.1.1\ta\n2.2.2.2\tb\n2.2.2.2\tb.net\n3.3.3.3\tc\n2.2.2.2\td  \n".utf8))
    let writes = text.removalWrites(at: text.search(for: ["2.2.2.2\tb", "2.2.2.2\tb.net", "2.2.2.2\td"]).found)
    #expect(writes.map(\.offset) == [10, 44])
    #expect(
      writes.map { String(decoding: $0.bytes, as: UTF8.self) } == ["#.2.2.2\rb\n#.2.2.2\rb.net\n", "#.2.2.2\rd  \n"])
  }
}
