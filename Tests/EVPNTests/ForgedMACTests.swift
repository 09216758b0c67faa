import EVPNSupport
import LabSupport
import Testing

/// Containers that send frames from other MAC addresses than their own.
@Suite(.needsRoot) struct ForgedMACTests {
  @Test func `hosts announce no MAC address that a container forged`() throws {
    try Fabric.use(containers: 3) { fabric in
      let network = Network(fabric: fabric, number: 1)
      let attachments = try network.attachEverywhere([1, 2])
      try awaitExactly(attachments, on: network)
      let own = try ownEntries(network)
      let forger = attachments[0]
      // One victim is on the same host, one on another.
      for victim in [attachments[1], attachments[2]] {
        try forger.lab.sendForged(from: try #require(victim.mac), others: 200, in: forger.namespace)
      }
      // bgpd announces in order: hosts that know this container have read all announcements before it.
      let last = try network.attach(3)
      try awaitExactly(attachments + [last], on: network)
      try last.delete()
      #expect(try ownEntries(network) == own)
      try awaitExactly(attachments, on: network)
      try fabric.awaitReach([attachments[4]], [attachments[1], attachments[2]])
      for attachment in attachments { #expect(try attachment.check().complaint == "") }
    }
  }

  /// Waits until each host has the MAC addresses of these containers of other hosts, and no others.
  private func awaitExactly(_ containers: [Attached], on network: Network) throws {
    for host in 0..<3 {
      let wanted = containers.filter { $0.host != host }.compactMap(\.mac).sorted()
      try eventually("host \(host) knows \(wanted)", { try unicastMACs(network, on: host) == wanted }) {
        "but knows \(try network.remoteMACs(on: host))"
      }
    }
  }

  /// Without the entries for flooded frames.
  private func unicastMACs(_ network: Network, on host: Int) throws -> [String] {
    try network.remoteMACs(on: host).filter { $0 != "00:00:00:00:00:00" }
  }

  private func ownEntries(_ network: Network) throws -> [[String]] {
    try (0..<3).map { try network.ownEntries(on: $0) }
  }
}
