import NetTypes
import Testing

@Suite struct PortSpanTests {
  @Test(arguments: ["514", "514/udp", "8000-8100/tcp", "1-65535/sctp"])
  func `a span is printed as it was written`(text: String) {
    #expect(PortSpan(text)?.description == text)
  }

  @Test(arguments: ["", "0", "65536", "9-8", "1-2-3", "80/", "80/icmp", "/tcp", "-80", "80-", "a", "80/tcp/udp"])
  func `other texts are refused`(text: String) {
    #expect(PortSpan(text) == nil)
  }

  @Test func `spans of one protocol are joined where they touch`() {
    let spans = ["80/tcp", "81-90/tcp", "85/tcp", "100/tcp", "80/udp"].compactMap { PortSpan($0) }
    #expect(spans.merged.map { $0.description } == ["80-90/tcp", "100/tcp", "80/udp"])
    #expect([PortSpan(53...53)].merged.map { $0.description } == ["53/tcp", "53/udp", "53/sctp"])
    #expect([PortSpan(1...65535, .udp), PortSpan(2...2, .udp)].merged.map { $0.description } == ["1-65535/udp"])
  }
}
