import CNI
import Kernel
import NetTypes
import PluginKit
import TestSupport
import Testing
@testable import tuning

@Suite struct AddTests {
  static let everything = #"""
    {"mac": "02:00:00:00:00:09", "mtu": 1400, "txQLen": 77, "promisc": true, "allmulti": true,
     "sysctl": {"net.ipv4.ip_forward": "1", "net.ipv4.conf.IFNAME.arp_notify": "1"}}
    """#

  @Test func `ADD applies all keys and returns the new MAC address and MTU`() throws {
    try Fixture.use { (fixture) throws in
      let result = try fixture.add(Self.everything)
      let link = try #require(fixture.kernel.link("eth0", on: .container))
      #expect(link.mac == "02:00:00:00:00:09" && link.mtu == 1400 && link.txQueueLength == 77)
      #expect(link.isPromiscuous && link.isAllMulticast)
      #expect(fixture.kernel.sysctl("net/ipv4/ip_forward", on: .container) == "1")
      #expect(fixture.kernel.sysctl("net/ipv4/conf/eth0/arp_notify", on: .container) == "1")
      var wanted = Fixture.previous
      wanted.interfaces[1].mac = "02:00:00:00:00:09"
      wanted.interfaces[1].mtu = 1400
      #expect(result == wanted)
    }
  }

  @Test func `ADD writes the backup in the reference's format, with network and sysctls added`() throws {
    try Fixture.use { (fixture) throws in
      try fixture.add(Self.everything)
      let wanted =
        #"{"allmulti":false,"mac":"02:00:00:00:00:01","mtu":1500,"network":"net","promisc":false,"#
        + #""sysctl":{"net/ipv4/conf/eth0/arp_notify":"0","net/ipv4/ip_forward":"0"},"txQLen":1000}"#
      #expect(try fixture.backups() == ["c1_eth0.json": wanted])
    }
  }

  @Test(arguments: ["{}", #"{"sysctl": {}, "mtu": 0, "args": {"cni": {"ips": ["10.1.0.5"]}}}"#])
  func `without settings ADD returns prevResult and opens no namespace`(json: String) throws {
    try Fixture.use { (fixture) throws in
      #expect(try fixture.add(json) == Fixture.previous)
      try fixture.plugin.check(fixture.call(json))
      try fixture.delete(json)
      #expect(fixture.openings.count == 0)
      #expect(try fixture.backups() == [:])
    }
  }

  @Test func `ADD does not change values that are already set, but reports them in the result`() throws {
    try Fixture.use { (fixture) throws in
      let result = try fixture.add(
        #"""
        {"mac": "02:00:00:00:00:01", "mtu": 1500, "txQLen": 1000, "promisc": false, "allmulti": false,
         "sysctl": {"net.ipv4.ip_local_port_range": "32768 60999"}}
        """#, previous: AddResult(interfaces: [.init(name: "eth0")]))
      #expect(fixture.kernel.applied == [])
      #expect(try fixture.backups() == [:])
      #expect(result.interfaces == [.init(name: "eth0", mac: "02:00:00:00:00:01", mtu: 1500)])
      try fixture.add(#"{"mac": "02:00:00:00:00:01", "txQLen": 5}"#)
      #expect(fixture.kernel.applied == [.changeLink("eth0", on: .container, LinkChange(txQueueLength: 5))])
      #expect(try fixture.backups() == ["c1_eth0.json": #"{"network":"net","txQLen":1000}"#])
    }
  }

  @Test(arguments: ["{}", #"{"mtu": 1400}"#])
  func `ADD without prevResult is refused`(json: String) throws {
    try Fixture.use { (fixture) throws in
      var call = try fixture.call(json)
      call.previous = nil
      #expect(
        throws: CNIError(.invalidNetworkConfig, "missing prevResult: tuning must be called as chained plugin")
      ) { try fixture.plugin.add(call) { (_) throws(CNIError) in } }
    }
  }

  static let impossible: [(String, String)] = [
    (#"{"sysctl": {"net.ipv4.nope": "1"}}"#, "sysctl net/ipv4/nope"),
    (#"{"mtu": 1279}"#, "1280 or more"),
  ]

  @Test(arguments: impossible)
  func `ADD refuses settings that the container cannot have and changes nothing`(json: String, fragment: String) throws
  {
    try Fixture.use { (fixture) throws in
      let before = fixture.kernel.state
      var previous = Fixture.previous
      previous.ips.append(.init(interface: 1, address: "fd00::5/64"))
      #expect {
        try fixture.add(json, previous: previous)
      } throws: {
        ($0 as? CNIError)?.code == .invalidNetworkConfig && ($0 as? CNIError)?.message.contains(fragment) == true
      }
      #expect(fixture.kernel.state == before)
      #expect(try fixture.backups() == [:])
    }
  }

  @Test func `ADD refuses a missing interface but sets sysctls without one`() throws {
    try Fixture.use { (fixture) throws in
      fixture.kernel.state.links[.container]?["eth0"] = nil
      #expect {
        try fixture.add(#"{"mtu": 1400}"#)
      } throws: { ($0 as? CNIError)?.message.contains("CNI_IFNAME eth0") == true }
      try fixture.add(#"{"sysctl": {"net.ipv4.ip_forward": "1"}}"#)
      #expect(fixture.kernel.sysctl("net/ipv4/ip_forward", on: .container) == "1")
    }
  }

  @Test func `ADD refuses a MAC address for a link without one`() throws {
    try Fixture.use { (fixture) throws in
      fixture.kernel.state.links[.container]?["eth0"]?.mac = nil
      #expect(throws: CNIError.self) { try fixture.add(#"{"mac": "02:00:00:00:00:09"}"#) }
    }
  }

  @Test(arguments: 0..<8)
  func `ADD is rolled back if change n is refused`(n: Int) throws {
    try Fixture.use { (fixture) throws in
      let refused = try fixture.expectRollback(Self.everything, refusing: n)
      #expect(refused == (n < 6), "six changes: five of the link, one of the settings")
      if refused { #expect(try fixture.backups() == [:]) }
    }
  }

  @Test func `ADD is rolled back if the result cannot be written`() throws {
    try Fixture.use { (fixture) throws in
      try fixture.expectRollbackWithoutReader(Self.everything)
      #expect(try fixture.backups() == [:])
    }
  }

  @Test func `ADD changes nothing if the backup cannot be written`() throws {
    try Fixture.use { (fixture) throws in
      let before = fixture.kernel.state
      #expect(throws: CNIError.self) { try fixture.add(#"{"mtu": 1400, "dataDir": "/dev/null/x"}"#) }
      #expect(fixture.kernel.state == before)
      #expect(fixture.kernel.applied == [])
    }
  }

  @Test func `with two tuning plugins in a chain DEL restores the first values`() throws {
    try Fixture.use { (fixture) throws in
      let before = fixture.kernel.state
      let result = try fixture.add(#"{"mtu": 1400, "sysctl": {"net.ipv4.ip_forward": "1"}}"#)
      let between = (fixture.kernel.state, try fixture.backups())
      let second = #"{"mtu": 1300, "promisc": true, "sysctl": {"net.ipv4.conf.all.arp_notify": "1"}}"#
      fixture.kernel.changesBeforeRefusal = 2
      #expect(throws: CNIError.self) { try fixture.add(second, previous: result) }
      #expect(fixture.kernel.state == between.0)
      #expect(try fixture.backups() == between.1)
      try fixture.add(second, previous: result)
      for _ in 1...2 { try fixture.delete("{}") }
      #expect(fixture.kernel.state == before)
      #expect(try fixture.backups() == [:])
    }
  }
}
