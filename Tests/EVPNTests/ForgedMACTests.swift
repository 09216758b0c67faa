import EVPNSupport
import Foundation
import LabSupport
import Testing

/// Containers that send frames from other MAC addresses than their own.
@Suite(.needsRoot) struct ForgedMACTests {
  @Test func `hosts announce no MAC address that a container forged`() throws {
    try Fabric.use(containers: 2) { fabric in
      let network = Network(fabric: fabric, number: 1)
      let attachments = try network.attachEverywhere([1, 2])
      try fabric.awaitReach(attachments, attachments)
      let before = try (0..<3).map { try tables(network, on: $0) }
      let forger = attachments[0]
      // One victim is on the same host, one on another.
      for victim in [attachments[1], attachments[2]] {
        try forger.lab.sendForged(from: try #require(victim.mac), others: 200, in: forger.namespace)
      }
      // After this time, announcements of bgpd would have reached the other hosts.
      Thread.sleep(forTimeInterval: 2)
      #expect(try (0..<3).map { try tables(network, on: $0) } == before)
      try fabric.awaitReach([attachments[4]], [attachments[1], attachments[2]])
      for attachment in attachments { #expect(try attachment.check().complaint == "") }
    }
  }

  /// Entries that the host's plugin and routing daemon set.
  private func tables(_ network: Network, on host: Int) throws -> [String] {
    try network.ownEntries(on: host) + network.remoteMACs(on: host)
  }
}
