import CNI
import Names
import NetTypes
import Testing

struct HostNameTests {
  @Test(arguments: [
    "web", "web-1", "a.b.c", "isolated_nw", "0af", "WEB", "f2870c98fd50", "1.2.3", String(repeating: "a", count: 64),
    String(repeating: "a", count: 1023),
  ])
  func `accepts names that a hosts file can contain`(text: String) throws {
    #expect(try #require(HostName(text)).description == text)
  }

  @Test(arguments: [
    "", ".", "a.", ".a", "a..b", "-a", "a-", "a.-b", "a b", "a\tb", "a\nb", "a#b", "a,b", "ä", "a/b", "a\0b",
    "10.0.0.1",
    String(repeating: "a", count: 1024),
  ])
  func `refuses invalid host names`(text: String) { #expect(HostName(text) == nil) }

  @Test(arguments: [
    ("web", true), (String(repeating: "a", count: 63), true), (String(repeating: "a", count: 64), false),
    (Array(repeating: String(repeating: "a", count: 62), count: 4).joined(separator: "."), true),
    (Array(repeating: String(repeating: "a", count: 62), count: 5).joined(separator: "."), false),
  ])
  func `a name fits DNS if labels have at most 63 bytes and the name 253`(text: String, fits: Bool) throws {
    #expect(try #require(HostName(text)).fitsDNS == fits)
  }

  @Test(arguments: [
    ("localhost", true), ("LocalHost", true), ("web.localhost", true), ("localhost.localdomain", true),
    ("ip6-loopback", true), ("ip6-allnodes", true), ("localhost.corp.example", false), ("localhosts", false),
  ])
  func `localhost and the standard names of a hosts file are reserved`(text: String, isReserved: Bool) throws {
    #expect(try #require(HostName(text)).isReserved == isReserved)
  }

  @Test func `names compare without case and keep their case`() {
    #expect(HostName("Web") == HostName("wEB"))
    #expect(Set([HostName("Web"), HostName("web")]).count == 1)
    #expect(HostName("Web")?.below("Shop")?.description == "Web.Shop")
  }
}
