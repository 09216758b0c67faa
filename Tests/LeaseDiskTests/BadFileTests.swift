import BaseSupport
import CNI
import Foundation
import IPAM
import NetTypes
import Testing

/// Directories, links and FIFOs in place of files.
@Suite struct BadFileTests {
  static let kinds = ["mkdir", "link", "fifo", "loop"]
  let a = LeaseHolder(container: "a", interface: "eth0")

  @Test(arguments: kinds)
  func `a lease is released even if other files were replaced by something else`(kind: String) throws {
    try inTemporaryDirectory { directory in
      do {
        var leases = try open(directory)
        _ = try leases.take(address("10.1.0.2"), for: a, namespacePath: "", set: 0)
      }
      let files = "\(directory)/data/net"
      for name in ["lock", "last_reserved_ip.0", "10.1.0.3"] { try putOtherFile(kind, at: "\(files)/\(name)") }
      for name in fileNames("\(directory)/index") { try putOtherFile(kind, at: "\(directory)/index/\(name)") }
      var leases = try open(directory)
      let held = try leases.addresses(of: a)
      #expect(try held == [address("10.1.0.2")])
      #expect(leases.releaseAll(held) == [])
      #expect(try leases.addresses(of: a) == [])
      // Such a file in place of a lease blocks the address; in other places it is removed.
      #expect(try leases.take(address("10.1.0.2"), for: a, namespacePath: "", set: 0))
      #expect(try !leases.take(address("10.1.0.3"), for: a, namespacePath: "", set: 0))
      #expect(try leases.lastReserved(set: 0) == address("10.1.0.2"))
      #expect(!fileNames(files).contains { $0.hasSuffix(".target") })
    }
  }

  @Test(arguments: kinds)
  func `DEL succeeds if the lease file was replaced by something else`(kind: String) throws {
    try inTemporaryDirectory { directory in
      do {
        var leases = try open(directory)
        _ = try leases.take(address("10.1.0.2"), for: a, namespacePath: "", set: 0)
      }
      try putOtherFile(kind, at: "\(directory)/data/net/10.1.0.2")
      var leases = try open(directory)
      #expect(try leases.addresses(of: a) == [])
      #expect(try leases.allLeases() == [])
    }
  }

  @Test(arguments: kinds)
  func `a sticky address can be recorded again after its files were replaced`(kind: String) throws {
    try inTemporaryDirectory { directory in
      var leases = try open(directory)
      let db = StickyName(container: "db", interface: "eth0")
      try leases.recordAddresses([address("10.1.0.2")], for: db)
      let sticky = "\(directory)/data/.sticky/net"
      #expect(fileNames("\(sticky)/names") == ["9e4f6b074e484d83"])
      for part in ["names", "addresses"] {
        for name in fileNames("\(sticky)/\(part)") { try putOtherFile(kind, at: "\(sticky)/\(part)/\(name)") }
      }
      #expect(try leases.stickyAddresses(of: db) == [])
      #expect(try leases.stickyOwner(of: address("10.1.0.2")) == nil)
      try leases.recordAddresses([address("10.1.0.2")], for: db)
      #expect(try leases.stickyAddresses(of: db) == [address("10.1.0.2")])
      #expect(try leases.stickyOwner(of: address("10.1.0.2")) == db)
    }
  }

  @Test func `a file in place of the lease directory is an error`() throws {
    try inTemporaryDirectory { directory in
      try FileManager.default.createDirectory(atPath: "\(directory)/data", withIntermediateDirectories: true)
      try write("", to: "\(directory)/data/net")
      #expect(throws: CocoaError.self) { _ = try open(directory, createIfMissing: false) }
      #expect(throws: CNIError.self) { _ = try open(directory) }
    }
  }

  @Test(arguments: kinds)
  func `a network is removed even if its files were replaced by something else`(kind: String) throws {
    try inTemporaryDirectory { directory in
      _ = try open(directory)
      for name in ["lock", "10.1.0.3"] { try putOtherFile(kind, at: "\(directory)/data/net/\(name)") }
      try LeaseDirectory.removeAll(
        dataDir: "\(directory)/data", network: #require(network), indexDirectory: "\(directory)/index")
      #expect(fileNames("\(directory)/data/net") == [])
    }
  }
}
