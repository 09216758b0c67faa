import CNI
import EVPNSupport
import Foundation
import LabSupport
import Testing

/// Containers that keep their addresses when they move to another host.
@Suite(.needsRoot) struct MoveTests {
  /// How the container left its first host.
  enum Departure: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case deleted
    /// The namespace is gone, and the runtime did not call DEL.
    case died
    /// The container still runs on the first host and answers pings.
    case stayed

    var testDescription: String { rawValue }
  }

  @Test(arguments: Departure.allCases)
  func `a container with an address that was on another host is reachable`(departure: Departure) throws {
    try Fabric.use(containers: 2) { fabric in
      let network = Network(fabric: fabric, number: 1)
      let addresses = ["10.101.0.77", "fd00:10:101::77"]
      let moving = network.requesting(for: addresses)
      let others = try network.attachEverywhere([1])
      let old = try moving.attach(2, on: 0)
      try fabric.awaitReach(others, [old])
      switch departure {
      case .deleted: try old.delete()
      case .died: try old.lab.shell("ip netns del \(old.namespace)")
      case .stayed: break
      }
      let new = try network.requesting(for: addresses).attach(2, on: 1)
      let asking = departure == .stayed ? Array(others[1...]) : others
      for other in asking {
        for address in addresses { #expect(try fabric.lostBeforeAnswer(from: other, to: address) != nil) }
      }
      try fabric.awaitReach(asking, [new])
      // The new container must have answered, not the old one.
      let mac = try #require(new.mac)
      try eventually("host 2 sends to host 1") {
        try others[2].lab.shell("bridge fdb show dev \(network.vxlan)", in: others[2].lab.host)
          .contains("\(mac) dst \(fabric.cluster.underlay(1)) self")
      }
      try old.delete()
      try old.delete()
      try fabric.awaitReach(others, [new])
      let left = try network.ownEntries(on: 0).filter { addresses.contains(where: $0.hasPrefix) || $0.hasPrefix(mac) }
      #expect(left == [])
      // Two containers with one address replace each other's entries, and CHECK reports that.
      if departure != .stayed { #expect(try new.check().complaint == "") }
    }
  }

  @Test func `a container that moves between hosts and back is reachable`() throws {
    try Fabric.use(containers: 2) { fabric in
      let network = Network(fabric: fabric, number: 1)
      let others = try network.attachEverywhere([1])
      for host in [0, 1, 2, 1, 0] {
        let moved = try network.requesting(for: ["10.101.0.77", "fd00:10:101::77"]).attach(2, on: host)
        for address in moved.addresses {
          for other in others { #expect(try fabric.lostBeforeAnswer(from: other, to: address) != nil) }
        }
        try moved.delete()
        try awaitWithdrawal(of: moved, on: [0, 1, 2])
      }
      for host in 0..<3 {
        let left = try network.ownEntries(on: host).filter { $0.hasPrefix("10.101.0.77") || $0.contains("101::77") }
        #expect(left == [])
      }
    }
  }

  @Test func `a host whose bgpd was stopped during a move reaches the container on its new host`() throws {
    try Fabric.use(containers: 2) { fabric in
      let network = Network(fabric: fabric, number: 1)
      let others = try network.attachEverywhere([1])
      let addresses = ["10.101.0.77", "fd00:10:101::77"]
      var moved = try network.requesting(for: addresses).attach(2, on: 0)
      try fabric.awaitReach(others, [moved])
      // The new host learns late that the container has left the old one.
      try fabric.routers[1].stopBGPForHalfASecond()
      try moved.delete()
      moved = try network.requesting(for: addresses).attach(2, on: 1)
      try fabric.awaitReach(others, [moved])
      // A third host learns of both moves at the same time.
      moved = try fabric.routers[2].withStoppedBGP {
        try moved.delete()
        try awaitWithdrawal(of: moved, on: [0])
        let again = try network.requesting(for: addresses).attach(2, on: 0)
        Thread.sleep(forTimeInterval: 1)
        return again
      }
      try fabric.awaitReach(others, [moved])
      #expect(try moved.check().complaint == "")
    }
  }

  @Test func `a container that starts while the old one runs has sequence number 1 on every host`() throws {
    try Fabric.use(containers: 2) { fabric in
      let network = Network(fabric: fabric, number: 1)
      let others = try network.attachEverywhere([1])
      let addresses = ["10.101.0.77", "fd00:10:101::77"]
      let old = try network.requesting(for: addresses).attach(2, on: 0)
      try fabric.awaitReach(others, [old])
      let new = try network.requesting(for: addresses).attach(2, on: 1)
      let mac = try #require(new.mac)
      for host in 0..<3 {
        try eventually("host \(host) has number 1") {
          let entry = try fabric.routers[host].show("evpn mac vni 101 mac \(mac)").object?.values.first
          return entry?.text(host == 1 ? "localSequence" : "remoteSequence") == "1"
        }
      }
      try fabric.awaitReach([others[2]], [new])
      // After both DELs the MAC mobility sequence number starts at 0 again.
      try old.delete()
      try new.delete()
      for host in 0..<3 {
        try eventually("host \(host) removed the MAC address") {
          try fabric.routers[host].show("evpn mac vni 101 mac \(mac)").object?.isEmpty == true
        }
      }
    }
  }

  /// Waits until no remote FDB entry for the MAC address is left on these hosts.
  private func awaitWithdrawal(of attached: Attached, on hosts: [Int]) throws {
    let mac = try #require(attached.mac)
    for host in hosts {
      try eventually("host \(host) forgot \(mac)") { try !attached.network.remoteMACs(on: host).contains(mac) }
    }
  }
}
