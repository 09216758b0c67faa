import CNI
import Kernel
import NetTypes
import PluginKit
import TestSupport
import Testing
@testable import tuning

@Suite struct LifeTests {
  @Test func `CHECK reports nothing after ADD, and later every difference`() throws {
    try Fixture.use { (fixture) throws in
      try fixture.add(AddTests.everything)
      #expect(try fixture.complaint(AddTests.everything) == "")
      try fixture.delete("{}")
      let message = try fixture.complaint(AddTests.everything)
      for fragment in [
        "promiscuous mode false, want true", "all-multicast mode false, want true", "MTU 1500, want 1400",
        "transmit queue length 1000, want 77", "MAC 02:00:00:00:00:01, want 02:00:00:00:00:09",
        "sysctl net/ipv4/ip_forward is 0, want 1", "sysctl net/ipv4/conf/eth0/arp_notify is 0, want 1",
      ] { #expect(message.contains(fragment)) }
    }
  }

  @Test func `CHECK checks promiscuous mode only if promisc is configured`() throws {
    try Fixture.use { (fixture) throws in
      fixture.kernel.state.links[.container]?["eth0"]?.isPromiscuous = true
      #expect(try fixture.complaint(#"{"promisc": false}"#).contains("promiscuous mode true, want false"))
      #expect(try fixture.complaint(#"{"mtu": 1500}"#) == "")
    }
  }

  @Test func `CHECK ignores the spacing in a list of numbers`() throws {
    try Fixture.use { (fixture) throws in
      #expect(try fixture.complaint(#"{"sysctl": {"net.ipv4.ip_local_port_range": "32768 60999"}}"#) == "")
      #expect(try fixture.complaint(#"{"sysctl": {"net.ipv4.ip_local_port_range": "32768 6099"}}"#) != "")
    }
  }

  @Test func `CHECK of sysctls alone needs no interface`() throws {
    try Fixture.use { (fixture) throws in
      fixture.kernel.state.links[.container]?["eth0"] = nil
      #expect(try fixture.complaint(#"{"sysctl": {"net.ipv4.ip_forward": "0"}}"#) == "")
      #expect(try fixture.complaint(#"{"mtu": 1500}"#).contains("link eth0 is missing"))
    }
  }

  @Test func `DEL restores all values and can be repeated`() throws {
    try Fixture.use { (fixture) throws in
      let before = fixture.kernel.state
      try fixture.add(AddTests.everything)
      #expect(fixture.kernel.state != before)
      for _ in 1...2 {
        try fixture.delete("{}")
        #expect(fixture.kernel.state == before)
        #expect(try fixture.backups() == [:])
      }
    }
  }

  @Test func `DEL without a namespace only removes the backup`() throws {
    try Fixture.use { (fixture) throws in
      try fixture.add(AddTests.everything)
      let before = fixture.kernel.state
      try fixture.delete("{}", path: nil)
      #expect(fixture.kernel.state == before)
      #expect(try fixture.backups() == [:])
    }
  }

  @Test func `DEL finds the backup directory in a broken configuration`() throws {
    try Fixture.use { (fixture) throws in
      let document = try fixture.document(#"{"mtu": "?"}"#)
      #expect(Tuning<FakeKernel>.partialConfig(document)?.dataDir == fixture.dataDir)
      #expect(Tuning<FakeKernel>.partialConfig(.object([:]))?.dataDir == "/run/cni/tuning")
    }
  }

  @Test func `DEL restores sysctls if the interface is gone`() throws {
    try Fixture.use { (fixture) throws in
      try fixture.add(AddTests.everything)
      fixture.kernel.state.links[.container]?["eth0"] = nil
      try fixture.delete("{}")
      #expect(fixture.kernel.sysctl("net/ipv4/ip_forward", on: .container) == "0")
      #expect(try fixture.backups() == [:])
    }
  }

  @Test(arguments: 0..<7)
  func `DEL continues after a refused change, and the next DEL completes it`(n: Int) throws {
    try Fixture.use { (fixture) throws in
      let before = fixture.kernel.state
      try fixture.add(AddTests.everything)
      fixture.kernel.changesBeforeRefusal = n
      let changes = fixture.kernel.applied.count
      #expect(throws: CNIError.self) { try fixture.delete("{}") }
      #expect(fixture.kernel.applied.count == changes + 7)
      try fixture.delete("{}")
      #expect(fixture.kernel.state == before)
      #expect(try fixture.backups() == [:])
    }
  }

  @Test func `DEL keeps another network's attachment`() throws {
    try Fixture.use { (fixture) throws in
      try fixture.add(AddTests.everything)
      let before = (fixture.kernel.state, try fixture.backups())
      var other = fixture
      other.owner.network = "other"
      try other.delete("{}")
      #expect(fixture.kernel.state == before.0)
      #expect(try fixture.backups() == before.1)
    }
  }

  @Test(arguments: ["", "{", "[]", #"{"mtu": "x"}"#, #"{"sysctl": {"kernel/shmmax": "1"}}"#])
  func `DEL removes an invalid backup`(content: String) throws {
    try Fixture.use { (fixture) throws in
      try fixture.writeBackup("c1_eth0.json", content)
      try fixture.writeBackup("c1_eth0.json.tmp", content)
      let before = fixture.kernel.state
      try fixture.delete("{}")
      #expect(fixture.kernel.state == before)
      #expect(try fixture.backups() == [:])
    }
  }

  @Test func `DEL removes the temporary backup file of a killed ADD`() throws {
    try Fixture.use { (fixture) throws in
      try fixture.writeBackup("c1_eth0.json.tmp", "")
      try fixture.delete("{}")
      #expect(try fixture.backups() == [:])
      #expect(fixture.openings.count == 0)
    }
  }

  @Test func `DEL restores from a backup of the reference plugin`() throws {
    try Fixture.use { (fixture) throws in
      try fixture.writeBackup(
        "c1_eth0.json", "{\n \"mac\": \"02:00:00:00:00:0a\",\n \"promisc\": true,\n \"mtu\": 1200,\n \"txQLen\": 5\n}")
      try fixture.delete("{}")
      let link = try #require(fixture.kernel.link("eth0", on: .container))
      #expect(link.mac == "02:00:00:00:00:0a" && link.mtu == 1200 && link.txQueueLength == 5 && link.isPromiscuous)
      #expect(try fixture.backups() == [:])
    }
  }

  @Test func `GC removes backups of invalid attachments and keeps foreign files`() throws {
    try Fixture.use { (fixture) throws in
      try fixture.add(#"{"mtu": 1400}"#)
      let ours = #"{"mtu":1500,"network":"net"}"#
      try fixture.writeBackup("c_2_eth0.json", ours)
      try fixture.writeBackup("c3_eth0.json.tmp", ours)
      try fixture.writeBackup("c4_eth0.json", #"{"mtu":1500,"network":"other"}"#)
      try fixture.writeBackup("c5_eth0.json", #"{"mtu":1500}"#)
      try fixture.writeBackup("notes", "mine")
      try fixture.collectGarbage("{}", keeping: [fixture.owner])
      #expect(try fixture.backups().keys.sorted() == ["c1_eth0.json", "c4_eth0.json", "c5_eth0.json", "notes"])
      try fixture.collectGarbage("{}")
      #expect(try fixture.backups().keys.sorted() == ["c4_eth0.json", "c5_eth0.json", "notes"])
      try fixture.collectGarbage(#"{"dataDir": "/nowhere/at/all"}"#)
    }
  }

  @Test func `STATUS fails if dataDir is not writable`() throws {
    try Fixture.use { (fixture) throws in
      #expect(try fixture.obstacle("{}") == nil)
      #expect(try fixture.backups() == [:])
      let error = try fixture.obstacle(#"{"dataDir": "/dev/null/x"}"#)
      #expect(error?.code == .notAvailable)
      #expect(error?.message.contains("/dev/null/x") == true)
    }
  }
}
