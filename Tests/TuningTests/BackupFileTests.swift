import CNI
import Foundation
import Glibc
import Kernel
import NetTypes
import PluginKit
import TestSupport
import Testing
@testable import tuning

/// The names of backup files, and files of the wrong kind in their place.
@Suite struct BackupFileTests {
  private func owner(_ network: String, _ container: String, _ interface: String) throws -> AttachmentID {
    AttachmentID(
      network: try #require(NetworkName(network)), container: try #require(ContainerID(container)),
      interface: try #require(InterfaceName(interface)))
  }

  private func backup(_ owner: AttachmentID, _ mtu: Int) -> Backup {
    Backup(network: owner.network, link: LinkChange(mtu: mtu), sysctls: [])
  }

  static let long = String(repeating: "x", count: 400)
  static let sharing = [
    [["n", "a", "b_eth0"], ["n", "a_b", "eth0"]], [["n", "a", "eth0"], ["m", "a", "eth0"]],
    [["n", "a_b", "eth0"], ["m", "a_b", "eth0"]], [["n", long, "eth0"], ["m", long, "eth0"]],
    [["n", "a_\(long)", "eth0"], ["n", "b_\(long)", "eth0"]],
  ]

  @Test(arguments: sharing)
  func `two attachments never share a backup file`(names: [[String]]) throws {
    try Fixture.use { (fixture) throws in
      let directory = BackupDirectory(path: fixture.dataDir)
      let owners = try names.map { try owner($0[0], $0[1], $0[2]) }
      for (number, owner) in owners.enumerated() { try directory.write(backup(owner, 1000 + number), of: owner) }
      for (number, owner) in owners.enumerated() {
        #expect(try directory.backup(of: owner, includingOlderNames: true)?.link.mtu == 1000 + number)
      }
      try directory.remove(owners[0])
      #expect(try directory.backup(of: owners[0], includingOlderNames: true) == nil)
      #expect(try directory.backup(of: owners[1], includingOlderNames: true)?.link.mtu == 1001)
      try directory.remove(owners[1])
      #expect(try fixture.backups() == [:])
    }
  }

  @Test func `a backup of an earlier version is found and removed`() throws {
    try Fixture.use { (fixture) throws in
      let directory = BackupDirectory(path: fixture.dataDir)
      let owner = try owner("n", "a_b", "eth0")
      try fixture.writeBackup("a_b_eth0.json", #"{"mtu":1400,"network":"n"}"#)
      #expect(try directory.backup(of: owner, includingOlderNames: true)?.link.mtu == 1400)
      #expect(try directory.backup(of: owner, includingOlderNames: false) == nil)
      try directory.remove(owner)
      #expect(try fixture.backups() == [:])
    }
  }

  @Test(arguments: ["directory", "link", "fifo"])
  func `DEL and GC succeed if a directory, link or FIFO replaces the backup`(kind: String) throws {
    try Fixture.use { (fixture) throws in
      try fixture.add(#"{"mtu": 1400}"#)
      let path = "\(fixture.dataDir)/c1_eth0.json"
      try FileManager.default.removeItem(atPath: path)
      switch kind {
      case "directory": try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
      case "link": try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "/etc/passwd")
      default: #expect(unsafe mkfifo(path, 0o600) == 0)
      }
      try fixture.plugin.collectGarbage(fixture.network("{}"), valid: [])
      try fixture.delete("{}")
      try fixture.delete("{}")
      #expect(try FileManager.default.contentsOfDirectory(atPath: fixture.dataDir) == [])
    }
  }

  @Test func `DEL succeeds and keeps a non-empty directory at the backup's path`() throws {
    try Fixture.use { (fixture) throws in
      try FileManager.default.createDirectory(
        atPath: "\(fixture.dataDir)/c1_eth0.json/x", withIntermediateDirectories: true)
      try fixture.delete("{}")
      #expect(try FileManager.default.contentsOfDirectory(atPath: fixture.dataDir) == ["c1_eth0.json"])
    }
  }
}
