import CNI
import HostFilter
import Linux
import NetTypes
import PacketFilter
import TestSupport
import Testing

@Suite struct HostFilterTests {
  static func owner(_ container: String, on network: String = "net") throws -> AttachmentID {
    AttachmentID(
      network: try #require(NetworkName(network)), container: try #require(ContainerID(container)), interface: "eth0")
  }

  static func ruleSet(_ container: String, _ role: PluginRole = .ports, backend: Backend? = nil) throws -> RuleSet {
    RuleSet(try owner(container), role, [.admit(Admission("10.1.0.2"))], backend: backend)
  }

  @Test(
    arguments: [
      ("", true, true, nil, Backend.nftables), ("", false, true, nil, .iptables), ("nat\n", true, true, nil, .iptables),
      ("nat\n", true, true, .nftables, .nftables), ("", true, true, .iptables, .iptables),
      ("", true, false, nil, .nftables),
    ] as [(String, Bool, Bool, Backend?, Backend)])
  func `the backend is the host's unless one is given`(
    legacy: String, hasNftables: Bool, hasIptables: Bool, wanted: Backend?, chosen: Backend
  ) throws {
    let host = try FilterHost(legacy: legacy)
    host.nftables.isUsable = hasNftables
    host.iptables.isUsable = hasIptables
    var filter = host.filter
    #expect(try filter.backend(wanted) == chosen)
    var ruleSet = try Self.ruleSet("c1")
    ruleSet.backend = wanted
    try filter.add(ruleSet)
    #expect(host.ruleSets(chosen) == [try Self.ruleSet("c1", backend: chosen)])
  }

  @Test func `on a host without both backends the error says what each lacks`() throws {
    let host = try FilterHost()
    host.nftables.isUsable = false
    host.iptables.isUsable = false
    var filter = host.filter
    #expect {
      try filter.add(Self.ruleSet("c1"))
    } throws: { error in
      "\(error)" == "choose a packet filter: nftables: not here; iptables: not here"
    }
    #expect(try Files.list("\(host.state)/filter") == nil)
  }

  @Test func `a refused rule set is not recorded`() throws {
    let host = try FilterHost()
    var filter = host.filter
    host.nftables.refusal = KernelError("add", errno: .EEXIST, reason: "File exists")
    #expect(throws: KernelError.self) { try filter.add(Self.ruleSet("c1")) }
    #expect(try filter.ruleSet(of: Self.owner("c1"), .ports) == nil)
    #expect(try Files.list("\(host.state)/filter")?.isEmpty != false)
  }

  @Test func `a rule set stays recorded if it may have been added and cannot be removed`() throws {
    let host = try FilterHost()
    var filter = host.filter
    host.nftables.refusal = KernelError("add", errno: .ENOMEM, reason: "Cannot allocate memory")
    host.nftables.removalRefusal = KernelError("remove", errno: .EMFILE, reason: "Too many open files")
    #expect(throws: KernelError.self) { try filter.add(Self.ruleSet("c1")) }
    #expect(try filter.ruleSet(of: Self.owner("c1"), .ports) != nil)
    host.nftables.removalRefusal = nil
    #expect(throws: KernelError.self) { try filter.add(Self.ruleSet("c1")) }
    #expect(try filter.ruleSet(of: Self.owner("c1"), .ports) == nil)
  }

  @Test func `rule sets of plugins and containers are removed separately and leave nothing`() throws {
    let host = try FilterHost()
    var filter = host.filter
    for ruleSet in try [Self.ruleSet("c1"), Self.ruleSet("c1", .firewall), Self.ruleSet("c2")] {
      try filter.add(ruleSet)
    }
    #expect(try filter.ruleSets(of: Self.owner("c1").network).count == 3)
    try filter.remove(Self.owner("c1"), .ports, everywhere: false)
    #expect(host.nftables.ruleSets.count == 2)
    try filter.remove(Self.owner("c1"), .ports, everywhere: true)
    try filter.remove(Self.owner("c1"), .firewall, everywhere: false)
    try filter.remove(Self.owner("c2"), .ports, everywhere: false)
    #expect(host.nftables.ruleSets == [])
    #expect(try Files.list("\(host.state)/filter") == [])
  }

  @Test func `rules are removed from the backend that added them`() throws {
    let host = try FilterHost()
    var filter = host.filter
    try filter.add(Self.ruleSet("c1", backend: .iptables))
    try filter.remove(Self.owner("c1"), .ports, everywhere: false)
    #expect(host.iptables.ruleSets == [])
  }

  @Test(arguments: [true, false])
  func `rules without a rule set file are removed from all backends or from none`(everywhere: Bool) throws {
    let host = try FilterHost(legacy: "filter\n")
    var filter = host.filter
    host.nftables.ruleSets = [try Self.ruleSet("c1")]
    host.iptables.ruleSets = [try Self.ruleSet("c1")]
    try filter.remove(Self.owner("c1"), .ports, everywhere: everywhere)
    #expect(host.nftables.ruleSets.isEmpty == everywhere)
    #expect(host.iptables.ruleSets.isEmpty == everywhere)
  }

  @Test func `an unreadable rule set file does not block the removal of rules`() throws {
    let host = try FilterHost()
    var filter = host.filter
    try filter.add(Self.ruleSet("c1"))
    let directory = "\(host.state)/filter/net"
    let name = try #require(try Files.list(directory)?.first)
    try Files.replace("\(directory)/\(name)", with: Array("{".utf8))
    try filter.remove(Self.owner("c1"), .ports, everywhere: false)
    #expect(host.nftables.ruleSets == [])
    #expect(try Files.list(directory) == [SetAside.name(of: name)])
    try filter.collectGarbage(Self.owner("c1").network, .ports, valid: [], everywhere: false)
    #expect(try Files.list("\(host.state)/filter") == [])
  }

  @Test func `GC keeps valid attachments, other networks and other plugins`() throws {
    let host = try FilterHost()
    var filter = host.filter
    for ruleSet in try [Self.ruleSet("c1"), Self.ruleSet("c2"), Self.ruleSet("c2", .firewall)] {
      try filter.add(ruleSet)
    }
    let other = RuleSet(try Self.owner("c2", on: "net2"), .ports, [.admit(Admission("10.2.0.2"))])
    try filter.add(other)
    host.nftables.ruleSets.append(try Self.ruleSet("forgotten"))
    try filter.collectGarbage(Self.owner("c1").network, .ports, valid: [Self.owner("c1")], everywhere: true)
    let left = host.nftables.ruleSets.map { "\($0.owner.tag) \($0.role)" }
    #expect(left == ["cni:net/c1/eth0 ports", "cni:net/c2/eth0 firewall", "cni:net2/c2/eth0 ports"])
  }

  @Test func `GC does not read the rule sets of valid attachments`() throws {
    let host = try FilterHost()
    var filter = host.filter
    let kept = try Self.ruleSet("c1")
    for ruleSet in try [kept, Self.ruleSet("c2")] { try filter.add(ruleSet) }
    let file = "\(host.state)/filter/net/\(kept.owner.hostInterface).ports"
    try Files.replace(file, with: Array("{".utf8))
    try filter.collectGarbage(kept.owner.network, .ports, valid: [kept.owner], everywhere: true)
    #expect(try Files.list("\(host.state)/filter/net") == ["\(kept.owner.hostInterface).ports"])
    #expect(host.nftables.ruleSets.map(\.owner) == [kept.owner])
  }

  @Test func `repair adds flushed rules again`() throws {
    let host = try FilterHost()
    var filter = host.filter
    try filter.add(Self.ruleSet("c1"))
    try filter.add(Self.ruleSet("c2"))
    host.nftables.ruleSets.removeFirst()
    #expect(try filter.networks().map(\.description) == ["net"])
    #expect(try filter.repair([Self.owner("c1").network]) == [Self.owner("c1")])
    #expect(host.nftables.ruleSets.count == 2)
    #expect(try filter.repair([Self.owner("c1").network]) == [])
  }

  private static func tunnel(_ peers: [IPAddress], backend: Backend? = .nftables) throws -> RuleSet {
    RuleSet(try owner("host"), .tunnels, [.guardTunnel(TunnelGuard(port: 4789, peers: peers))], backend: backend)
  }

  @Test func `the rule set file is absent while rules are replaced`() throws {
    let host = try FilterHost()
    var filter = host.filter
    let first = try Self.tunnel(["192.0.2.2"]), second = try Self.tunnel(["192.0.2.3"])
    try filter.set(first)
    #expect(try filter.ruleSet(of: first.owner, .tunnels) == first)
    var remembered: [RuleSet] = []
    host.nftables.beforeAdding = { remembered = (try? host.filter.ruleSets(of: first.owner.network)) ?? [first] }
    try filter.set(second)
    #expect(remembered == [])
    #expect(try filter.ruleSet(of: first.owner, .tunnels) == second)
    #expect(host.nftables.ruleSets == [second])
  }

  @Test func `the same rules are not added again unless some are missing`() throws {
    let host = try FilterHost()
    var filter = host.filter
    let ruleSet = try Self.tunnel(["192.0.2.2"])
    try filter.set(ruleSet)
    var additions = 0
    host.nftables.beforeAdding = { additions += 1 }
    try filter.set(ruleSet)
    #expect(additions == 0)
    host.nftables.ruleSets = []
    try filter.set(ruleSet)
    #expect(additions == 1)
    #expect(host.nftables.ruleSets == [ruleSet])
  }

  @Test func `of two lists of hosts only the difference is changed`() throws {
    let host = try FilterHost()
    var filter = host.filter
    let first = try Self.tunnel(["192.0.2.2", "192.0.2.3"]), second = try Self.tunnel(["192.0.2.3", "192.0.2.4"])
    try filter.set(first)
    try filter.set(second, after: first)
    #expect(host.nftables.changed == [[try Self.tunnel(["192.0.2.2"]), try Self.tunnel(["192.0.2.4"])]])
    #expect(try filter.ruleSet(of: first.owner, .tunnels) == second)
    #expect(host.nftables.ruleSets == [first])
  }

  @Test(arguments: [true, false])
  func `all rules are replaced if their difference is refused, or if they are not recorded`(isRecorded: Bool) throws {
    let host = try FilterHost()
    var filter = host.filter
    let first = try Self.tunnel(["192.0.2.2"]), second = try Self.tunnel(["192.0.2.3"])
    if isRecorded { try filter.set(first) }
    host.nftables.changeRefusal = KernelError("change rules", errno: .ENOENT, reason: "gone")
    try filter.set(second, after: first)
    #expect(host.nftables.changed.count == (isRecorded ? 1 : 0))
    #expect(host.nftables.ruleSets == [second])
    #expect(try filter.ruleSet(of: first.owner, .tunnels) == second)
  }

  @Test func `the old rules are restored if the new ones are refused`() throws {
    let host = try FilterHost()
    var filter = host.filter
    let first = try Self.tunnel(["192.0.2.2"]), second = try Self.tunnel(["192.0.2.3"])
    host.nftables.refusedRules = second.rules
    #expect(throws: KernelError.self) { try filter.set(second) }
    #expect(host.nftables.ruleSets == [])
    #expect(try Files.list("\(host.state)/filter")?.isEmpty != false)
    try filter.set(first)
    #expect(throws: KernelError.self) { try filter.set(second) }
    #expect(host.nftables.ruleSets == [first])
    #expect(try filter.ruleSet(of: first.owner, .tunnels) == first)
  }
}
