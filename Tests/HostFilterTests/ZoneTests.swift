import CNI
import Foundation
import HostFilter
import Linux
import NetTypes
import PacketFilter
import TestSupport
import Testing

/// Sources of firewalld's zones.
@Suite struct ZoneTests {
  static let first = ZoneSource("10.1.0.2"), second = ZoneSource("fd00::2", in: "pods/net")
  static let admission = Rule.admit(Admission("10.1.0.2"))

  let host: FilterHost
  var filter: HostFilter

  init() throws {
    host = try FilterHost()
    filter = host.filter
  }

  func claim(_ container: String = "c1", _ sources: [ZoneSource] = [first, second], tables: Bool = false) throws
    -> Claim
  {
    Claim(try HostFilterTests.owner(container), .firewall, sources.map(Rule.trust) + (tables ? [Self.admission] : []))
  }

  /// The directories in which sources are recorded.
  func records() throws -> [String] { try Files.list(host.sources) ?? [] }

  @Test(arguments: [false, true])
  mutating func `sources are added and removed, with rules in tables or without`(tables: Bool) throws {
    let claim = try claim(tables: tables)
    try filter.add(claim)
    #expect(host.zones.bound == [Self.first, Self.second])
    #expect(host.claims(.nftables).map(\.rules) == (tables ? [[Self.admission]] : []))
    #expect(try filter.missing(from: claim) == [])
    try filter.remove(claim.owner, .firewall, everywhere: true)
    #expect(host.zones.bound == [])
    #expect(host.claims(.nftables).isEmpty)
    #expect(try records() == [])
  }

  @Test mutating func `repair adds a source that is missing`() throws {
    let claim = try claim(tables: true)
    try filter.add(claim)
    _ = host.zones.release([Self.second])
    #expect(try filter.missing(from: claim) == [.trust(Self.second)])
    #expect(try filter.repair([claim.owner.network]) == [claim.owner])
    #expect(try filter.missing(from: claim) == [])
    #expect(try filter.repair([claim.owner.network]) == [])
  }

  @Test mutating func `repair restores rules in tables while firewalld does not run`() throws {
    let claim = try claim(tables: true), sourcesOnly = try self.claim("c2", [ZoneSource("10.1.0.3")])
    for claim in [claim, sourcesOnly] { try filter.add(claim) }
    host.nftables.claims = []
    host.zones.set { $0.runs = false }
    #expect(try filter.repair([claim.owner.network]) == [claim.owner])
    #expect(host.claims(.nftables).map(\.rules) == [[Self.admission]])
  }

  @Test mutating func `an ADD whose second source is refused leaves nothing`() throws {
    host.zones.set { $0.refused = Self.second }
    #expect(throws: KernelError.self) { try filter.add(claim(tables: true)) }
    #expect(host.zones.bound == [])
    #expect(host.claims(.nftables).isEmpty)
    #expect(try filter.claims(of: claim().owner.network) == [])
    #expect(try records() == [])
  }

  @Test mutating func `an ADD whose rules in tables are refused leaves no source`() throws {
    host.nftables.refusal = KernelError("add", errno: .EPERM, reason: "refused")
    #expect(throws: KernelError.self) { try filter.add(claim(tables: true)) }
    #expect(host.zones.bound == [])
    #expect(try records() == [])
  }

  @Test mutating func `sources that DEL leaves since firewalld does not run are removed by the next ADD`() throws {
    try filter.add(claim())
    host.zones.set { $0.runs = false }
    try filter.remove(claim().owner, .firewall, everywhere: true)
    #expect(host.zones.bound == [Self.first, Self.second])
    host.zones.set { $0.runs = true }
    // The next container has got the first address.
    try filter.add(claim("c2", [Self.first]))
    #expect(host.zones.bound == [Self.first])
    try filter.add(claim("c3", [ZoneSource("10.1.0.3")]))
    #expect(host.zones.bound == [Self.first, ZoneSource("10.1.0.3")])
  }

  @Test mutating func `sources that DEL leaves since a file is read-only are removed by the next GC`() throws {
    try filter.add(claim())
    host.zones.set { $0.isReadOnly = true }
    try filter.remove(claim().owner, .firewall, everywhere: true)
    host.zones.set { ($0.isReadOnly, $0.bound) = (false, [Self.first]) }
    try filter.collectGarbage(claim().owner.network, .firewall, valid: [], everywhere: false)
    #expect(host.zones.bound == [])
    #expect(try records() == [])
  }

  @Test mutating func `sources of an earlier boot are removed`() throws {
    try filter.add(claim())
    let boot = try #require(try records().first)
    try FileManager.default.moveItem(atPath: "\(host.sources)/\(boot)", toPath: "\(host.sources)/earlier")
    try filter.add(claim("c2", [ZoneSource("10.1.0.9")]))
    #expect(host.zones.bound == [ZoneSource("10.1.0.9")])
    #expect(try records() == [boot])
  }

  @Test mutating func `a late DEL does not remove the source of the container that has the address now`() throws {
    try filter.add(claim("c1", [Self.first]))
    try filter.add(claim("c2", [Self.first]))
    try filter.remove(claim("c1").owner, .firewall, everywhere: true)
    #expect(host.zones.bound == [Self.first])
    try filter.remove(claim("c2").owner, .firewall, everywhere: true)
    #expect(host.zones.bound == [])
  }

  @Test mutating func `GC removes the sources of attachments that are not valid`() throws {
    try filter.add(claim("c1", [Self.first]))
    try filter.add(claim("c2", [Self.second]))
    let kept = try claim("c2").owner
    try filter.collectGarbage(kept.network, .firewall, valid: [kept], everywhere: true)
    #expect(host.zones.bound == [Self.second])
  }

  @Test(arguments: [(nil, false), ("trusted", true)])
  mutating func `DEL removes sources that the reference plugin added, and no others`(zone: String?, isRemoved: Bool)
    throws
  {
    let other = ZoneSource("10.1.0.3")
    try filter.add(claim("c2", [other]))
    try host.zones.bind([Self.first])
    try filter.removeReference(
      of: claim().owner, .firewall, addresses: [Self.first.address, other.address], zone: zone)
    #expect(host.zones.bound == (isRemoved ? [other] : [other, Self.first]))
  }
}
