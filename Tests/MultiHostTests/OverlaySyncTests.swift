import CNI
import Foundation
import LabSupport
import Testing

/// `cnictl overlay sync`, which an operator runs between ADDs.
@Suite(.needsRoot) struct OverlaySyncTests {
  @Test(arguments: ["overlay sync", "repair"], [OverlayNetwork.Kind.l2, .l3])
  func `cnictl overlay sync and repair apply the peers file`(
    arguments: String, kind: OverlayNetwork.Kind
  ) throws {
    try Cluster.use(hosts: 2, containers: 1) { cluster in
      let network = OverlayNetwork(cluster: cluster, kind: kind, number: 1, readsFile: true)
      let lab = cluster.hosts[0]
      func cnictl() throws -> String {
        let directory = "\(lab.directory)/conf"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try network.config(on: 0).line.write(toFile: "\(directory)/net.conf", atomically: true, encoding: .utf8)
        return try lab.shell("\(Binaries.ours)/cnictl \(arguments) net1 --conf-dir \(directory)", in: lab.host)
      }
      try network.writePeers([0])
      // sync changes nothing for a network without containers on this host.
      #expect(try !cnictl().contains("changed"))
      #expect(try lab.linkNames(in: lab.host) == ["eth0"])
      _ = try network.attach(1)
      try network.writePeers([0, 1])
      let attachments = try [network.attach(1, on: 1)]
      #expect(try cnictl().contains("net1: "))
      let address = try #require(attachments.first?.addresses.first)
      let answers = try cluster.answers(
        to: [Probe(from: lab.container(1), to: address, .ping, 0, patience: 45)])
      #expect(answers.allSatisfy { if case .by = $0 { true } else { false } }, "\(answers)")
      // sync reports what it changes, and now there is nothing to change.
      let again = try cnictl()
      #expect(again == "" || again == "net1: nothing to change\n")
    }
  }
}
