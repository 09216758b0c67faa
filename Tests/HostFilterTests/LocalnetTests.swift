import CNI
import HostFilter
import Linux
import NetTypes
import PacketFilter
import TestSupport
import Testing

/// The owners that need `route_localnet` on a link, and the lock that is held during changes.
@Suite struct LocalnetTests {
  static let link: InterfaceName = "t-none0"

  static func published(_ container: String, on network: String = "net", port: UInt16 = 8080) throws -> RuleSet {
    let path = ReturnPath(subnet: "10.1.0.0/24", link: link)
    let port = PublishedPort(.tcp, hostPort: port, to: "10.1.0.2", 80, masquerade: path)
    return RuleSet(try HostFilterTests.owner(container, on: network), .ports, [.publish(port)])
  }

  @Test func `route_localnet is needed if other rules in place use the link, not for those of a killed ADD`() throws {
    let host = try FilterHost()
    var filter = host.filter
    let own = try Self.published("c1"), other = try Self.published("c2", on: "net2")
    try filter.add(own)
    #expect(try !filter.needsRouteLocalnet(Self.link, except: [own.owner]))
    try filter.add(other)
    #expect(try filter.needsRouteLocalnet(Self.link, except: [own.owner]))
    #expect(try !filter.needsRouteLocalnet("t-none1", except: [own.owner]))
    host.nftables.ruleSets.removeAll { $0.owner == other.owner }
    #expect(try !filter.needsRouteLocalnet(Self.link, except: [own.owner]))
  }

  @Test func `repair restores published ports first, without removing them in between`() throws {
    let host = try FilterHost()
    var filter = host.filter
    let other = try HostFilterTests.ruleSet("a1", .firewall), ports = try Self.published("c1")
    for ruleSet in [other, ports] { try filter.add(ruleSet) }
    host.nftables.ruleSets = []
    #expect(try filter.repair([ports.owner.network]) == [ports.owner, other.owner])
    #expect(host.nftables.replaced == [ports.owner, other.owner])
  }

  @Test func `the lock is held until it is released`() throws {
    let host = try FilterHost()
    var filter = host.filter
    func isFree() -> Bool {
      let path = "\(host.state)/filter.lock"
      return (try? FileLock(.open(path, for: .updating), seconds: 0, doing: "lock")) != nil
    }
    try filter.lock()
    try filter.lock()
    #expect(!isFree())
    filter.unlock()
    #expect(isFree())
  }
}
