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

  func ruleSet(_ container: String = "c1", _ sources: [ZoneSource] = [first, second], tables: Bool = false) throws
    -> RuleSet
  {
    RuleSet(try HostFilterTests.owner(container), .firewall, sources.map(Rule.trust) + (tables ? [Self.admission] : []))
  }

  /// The directories in which sources are recorded.
  func records() throws -> [String] { try Files.list(host.sources) ?? [] }

  @Test(arguments: [false, true])
  mutating func `zone sources are added and removed with or without rules`(tables: Bool) throws {
    let ruleSet = try ruleSet(tables: tables)
    try filter.add(ruleSet)
    #expect(host.zones.bound == [Self.first, Self.second])
    #expect(host.ruleSets(.nftables).map(\.rules) == (tables ? [[Self.admission]] : []))
    #expect(try filter.missing(from: ruleSet) == [])
    try filter.remove(ruleSet.owner, .firewall, everywhere: true)
    #expect(host.zones.bound == [])
    #expect(host.ruleSets(.nftables).isEmpty)
    #expect(try records() == [])
  }

  @Test mutating func `repair adds a missing zone source`() throws {
    let ruleSet = try ruleSet(tables: true)
    try filter.add(ruleSet)
    _ = host.zones.removeSources([Self.second])
    #expect(try filter.missing(from: ruleSet) == [.trust(Self.second)])
    #expect(try filter.repair([ruleSet.owner.network]) == [ruleSet.owner])
    #expect(try filter.missing(from: ruleSet) == [])
    #expect(try filter.repair([ruleSet.owner.network]) == [])
  }

  @Test mutating func `repair restores rules while firewalld does not run`() throws {
    let ruleSet = try ruleSet(tables: true), sourcesOnly = try self.ruleSet("c2", [ZoneSource("10.1.0.3")])
    for ruleSet in [ruleSet, sourcesOnly] { try filter.add(ruleSet) }
    host.nftables.ruleSets = []
    host.zones.set { $0.runs = false }
    #expect(try filter.repair([ruleSet.owner.network]) == [ruleSet.owner])
    #expect(host.ruleSets(.nftables).map(\.rules) == [[Self.admission]])
  }

  @Test mutating func `an ADD whose second source is refused leaves nothing`() throws {
    host.zones.set { $0.refused = Self.second }
    #expect(throws: KernelError.self) { try filter.add(ruleSet(tables: true)) }
    #expect(host.zones.bound == [])
    #expect(host.ruleSets(.nftables).isEmpty)
    #expect(try filter.ruleSets(of: ruleSet().owner.network) == [])
    #expect(try records() == [])
  }

  @Test mutating func `an ADD whose rules are refused leaves no source`() throws {
    host.nftables.refusal = KernelError("add", errno: .EPERM, reason: "refused")
    #expect(throws: KernelError.self) { try filter.add(ruleSet(tables: true)) }
    #expect(host.zones.bound == [])
    #expect(try records() == [])
  }

  @Test mutating func `the next ADD removes sources that DEL left while firewalld did not run`() throws {
    try filter.add(ruleSet())
    host.zones.set { $0.runs = false }
    try filter.remove(ruleSet().owner, .firewall, everywhere: true)
    #expect(host.zones.bound == [Self.first, Self.second])
    host.zones.set { $0.runs = true }
    // Another container has the first address now.
    try filter.add(ruleSet("c2", [Self.first]))
    #expect(host.zones.bound == [Self.first])
    try filter.add(ruleSet("c3", [ZoneSource("10.1.0.3")]))
    #expect(host.zones.bound == [Self.first, ZoneSource("10.1.0.3")])
  }

  @Test mutating func `the next GC removes sources that DEL left because a file was read-only`() throws {
    try filter.add(ruleSet())
    host.zones.set { $0.isReadOnly = true }
    try filter.remove(ruleSet().owner, .firewall, everywhere: true)
    host.zones.set { ($0.isReadOnly, $0.bound) = (false, [Self.first]) }
    try filter.collectGarbage(ruleSet().owner.network, .firewall, valid: [], everywhere: false)
    #expect(host.zones.bound == [])
    #expect(try records() == [])
  }

  @Test mutating func `sources of an earlier boot are removed`() throws {
    try filter.add(ruleSet())
    let boot = try #require(try records().first)
    try FileManager.default.moveItem(atPath: "\(host.sources)/\(boot)", toPath: "\(host.sources)/earlier")
    try filter.add(ruleSet("c2", [ZoneSource("10.1.0.9")]))
    #expect(host.zones.bound == [ZoneSource("10.1.0.9")])
    #expect(try records() == [boot])
  }

  @Test mutating func `a late DEL keeps the source of the container that has the address now`() throws {
    try filter.add(ruleSet("c1", [Self.first]))
    try filter.add(ruleSet("c2", [Self.first]))
    try filter.remove(ruleSet("c1").owner, .firewall, everywhere: true)
    #expect(host.zones.bound == [Self.first])
    try filter.remove(ruleSet("c2").owner, .firewall, everywhere: true)
    #expect(host.zones.bound == [])
  }

  @Test mutating func `GC removes the sources of attachments that are not valid`() throws {
    try filter.add(ruleSet("c1", [Self.first]))
    try filter.add(ruleSet("c2", [Self.second]))
    let kept = try ruleSet("c2").owner
    try filter.collectGarbage(kept.network, .firewall, valid: [kept], everywhere: true)
    #expect(host.zones.bound == [Self.second])
  }

  @Test(arguments: [(nil, false), ("trusted", true)])
  mutating func `DEL removes sources that the reference plugin added, and no others`(zone: String?, isRemoved: Bool)
    throws
  {
    let other = ZoneSource("10.1.0.3")
    try filter.add(ruleSet("c2", [other]))
    try host.zones.addSources([Self.first])
    try filter.removeReferenceRules(
      of: ruleSet().owner, .firewall, addresses: [Self.first.address, other.address], zone: zone)
    #expect(host.zones.bound == (isRemoved ? [other] : [other, Self.first]))
  }
}
