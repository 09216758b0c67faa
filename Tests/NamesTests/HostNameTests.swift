import CNI
import Names
import Testing

struct HostNameTests {
  @Test(arguments: [
    "web", "web-1", "a.b.c", "isolated_nw", "0af", "WEB", "f2870c98fd50", "1.2.3", String(repeating: "a", count: 63),
  ])
  func `takes what a hosts file may hold`(text: String) throws {
    #expect(try #require(HostName(text)).description == text)
  }

  @Test(arguments: [
    "", ".", "a.", ".a", "a..b", "-a", "a-", "a.-b", "a b", "a\tb", "a\nb", "a#b", "a,b", "ä", "a/b", "a\0b",
    "10.0.0.1",
    String(repeating: "a", count: 64),
    Array(repeating: String(repeating: "a", count: 62), count: 5).joined(separator: "."),
  ])
  func `refuses what would be read as something else`(text: String) { #expect(HostName(text) == nil) }

  @Test func `compares without case, and keeps it`() {
    #expect(HostName("Web") == HostName("wEB"))
    #expect(Set([HostName("Web"), HostName("web")]).count == 1)
    #expect(HostName("Web")?.below("Shop")?.description == "Web.Shop")
  }
}
