import CNI
import HostFilter
import Linux
import NetTypes
import TestSupport
import Testing

/// Results that libcni keeps, of networks that the reference plugins have attached.
@Suite struct CachedResultTests {
  private static let interfaces = #"""
    [{"name":"cni0","mac":"02:00:00:00:00:01"},{"name":"veth12345678","sandbox":""},
     {"name":"eth0","sandbox":"/run/netns/a"},{"name":"no/link"}]
    """#

  private static func cached(_ network: String, _ interfaces: String = interfaces) -> String {
    #"{"kind":"cniCacheV1","networkName":"\#(network)","result":{"interfaces":\#(interfaces)}}"#
  }

  @Test(
    arguments: [
      ("front-c1-eth0", cached("front"), ["cni0", "veth12345678"]),
      ("front-c1-eth0", cached("front-c1"), []), ("other-c1-eth0", cached("front"), []),
      ("front-c1-eth0", cached("front", "{}"), []), ("front-c1-eth0", "{", []), ("front-c1-eth0", "", []),
    ] as [(String, String, Set<InterfaceName>)])
  func `the host's interfaces of a network are read`(
    name: String, content: String, wanted: Set<InterfaceName>
  ) throws {
    let host = try FilterHost()
    try Files.makeDirectories(host.results)
    try Files.replace("\(host.results)/\(name)", with: Array(content.utf8))
    #expect(try host.filter.cachedInterfaces(of: "front") == wanted)
  }

  @Test func `a host without such results has none`() throws {
    #expect(try FilterHost().filter.cachedInterfaces(of: "front") == [])
  }
}
