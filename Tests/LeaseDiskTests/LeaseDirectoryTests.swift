import BaseSupport
import CNI
import Foundation
import IPAM
import Linux
import NetTypes
import Testing

let network = NetworkName("net")

func open(_ directory: String, createIfMissing: Bool = true) throws -> LeaseDirectory {
  let leases = try LeaseDirectory.open(
    dataDir: "\(directory)/data", network: #require(network), createIfMissing: createIfMissing,
    indexDirectory: "\(directory)/index",
    lockSeconds: 0)
  guard let leases else { throw CocoaError(.fileNoSuchFile) }
  return leases
}

func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }
func span(_ text: String) throws -> AddressSpan { try #require(AddressSpan(text)) }

@Suite struct LeaseDirectoryTests {
  let a = LeaseHolder(container: "a", interface: "eth0")

  @Test func `a lease file has the reference plugin's format`() throws {
    try inTemporaryDirectory { directory in
      var leases = try open(directory)
      #expect(try leases.take(address("10.1.0.2"), for: a, namespacePath: "/dev/null", set: 0))
      #expect(try leases.take(address("fd00::2"), for: a, namespacePath: "/dev/null", set: 1))
      let files = "\(directory)/data/net"
      #expect(fileNames(files) == ["10.1.0.2", "fd00::2", "lock", "last_reserved_ip.0", "last_reserved_ip.1"])
      #expect(read("\(files)/10.1.0.2") == "a\r\neth0")
      #expect(read("\(files)/last_reserved_ip.1") == "fd00::2")
      let modes = try ["10.1.0.2", "last_reserved_ip.0", "lock"].map { name in
        try FileManager.default.attributesOfItem(atPath: "\(files)/\(name)")[.posixPermissions] as? Int
      }
      #expect(modes == [0o600, 0o600, 0o750])
    }
  }

  @Test(arguments: ["a", "a\r\neth0", "a\n"])
  func `a lease file that was overwritten in place is found and released`(content: String) throws {
    try inTemporaryDirectory { directory in
      let b = LeaseHolder(container: "b", interface: "eth0")
      do {
        var leases = try open(directory)
        _ = try leases.take(address("10.1.0.2"), for: a, namespacePath: "", set: 0)
        _ = try leases.take(address("10.1.0.3"), for: b, namespacePath: "", set: 0)
      }
      let file = try #require(FileHandle(forWritingAtPath: "\(directory)/data/net/10.1.0.2"))
      try file.truncate(atOffset: 0)
      try file.write(contentsOf: Data(content.utf8))
      try file.close()
      var leases = try open(directory)
      #expect(try leases.addresses(of: a) == [address("10.1.0.2")])
      try leases.release(address("10.1.0.2"))
      #expect(try leases.addresses(of: a) == [])
      #expect(try leases.addresses(of: b) == [address("10.1.0.3")])
      #expect(try leases.firstFree(in: span("10.1.0.2-10.1.0.9")) == address("10.1.0.2"))
    }
  }

  @Test func `a shorter address replaces a longer one in last_reserved_ip`() throws {
    try inTemporaryDirectory { directory in
      var leases = try open(directory)
      _ = try leases.take(address("10.1.0.200"), for: a, namespacePath: "", set: 0)
      _ = try leases.take(address("10.1.0.2"), for: a, namespacePath: "", set: 0)
      #expect(read("\(directory)/data/net/last_reserved_ip.0") == "10.1.0.2")
      #expect(try leases.lastReserved(set: 0) == address("10.1.0.2"))
    }
  }

  @Test func `an address is leased only once`() throws {
    try inTemporaryDirectory { directory in
      var leases = try open(directory)
      let b = LeaseHolder(container: "b", interface: "eth0")
      #expect(try leases.take(address("10.1.0.2"), for: a, namespacePath: "", set: 0))
      #expect(try !leases.take(address("10.1.0.2"), for: b, namespacePath: "", set: 0))
      #expect(try leases.holder(of: address("10.1.0.2")) == a)
      try leases.release(address("10.1.0.2"))
      try leases.release(address("10.1.0.2"))
      #expect(try leases.take(address("10.1.0.2"), for: b, namespacePath: "", set: 0))
    }
  }

  @Test func `reading creates no files`() throws {
    try inTemporaryDirectory { directory in
      #expect(throws: CocoaError.self) { _ = try open(directory, createIfMissing: false) }
      #expect(fileNames(directory) == [])
    }
  }

  @Test func `a second process waits for the lock and then gets the error to try again`() throws {
    try inTemporaryDirectory { directory in
      let first = try open(directory)
      let error = #expect(throws: CNIError.self) { _ = try open(directory) }
      #expect(error == CNIError(.tryAgainLater, "lock \(directory)/data/net/lock: another process holds it"))
      _ = consume first
      _ = try open(directory)
    }
  }

  @Test(arguments: ["", " \r\n", "\0\0\0\0"])
  func `a lease file without a holder is a free address`(content: String) throws {
    try inTemporaryDirectory { directory in
      var leases = try open(directory)
      try write(content, to: "\(directory)/data/net/10.1.0.2")
      #expect(try leases.take(address("10.1.0.2"), for: a, namespacePath: "", set: 0))
      try write(content, to: "\(directory)/data/net/10.1.0.3")
      #expect(try leases.holder(of: address("10.1.0.3")) == nil)
      #expect(fileNames("\(directory)/data/net") == ["10.1.0.2", "lock", "last_reserved_ip.0"])
    }
  }

  @Test(arguments: ["a", "a\n", "a\r\neth0\n", " a\r\neth0"])
  func `lease files of earlier versions and of operators are found`(content: String) throws {
    try inTemporaryDirectory { directory in
      _ = try open(directory)
      try write(content, to: "\(directory)/data/net/10.1.0.9")
      var leases = try open(directory)
      #expect(try leases.addresses(of: a) == [address("10.1.0.9")])
      #expect(try leases.firstFree(in: span("10.1.0.9-10.1.0.20")) == address("10.1.0.10"))
    }
  }

  @Test func `a lease with an interface is preferred to one with only the container`() throws {
    try inTemporaryDirectory { directory in
      _ = try open(directory)
      try write("a", to: "\(directory)/data/net/10.1.0.9")
      try write("a\r\neth0", to: "\(directory)/data/net/10.1.0.10")
      var leases = try open(directory)
      #expect(try leases.addresses(of: a) == [address("10.1.0.10")])
    }
  }

  @Test func `a directory in place of a lease file blocks only its address`() throws {
    try inTemporaryDirectory { directory in
      _ = try open(directory)
      try FileManager.default.createDirectory(
        atPath: "\(directory)/data/net/10.1.0.2", withIntermediateDirectories: false)
      var leases = try open(directory)
      #expect(try leases.firstFree(in: span("10.1.0.2-10.1.0.3")) == address("10.1.0.3"))
      #expect(try leases.allLeases() == [])
    }
  }

  @Test func `a lease is dead after a reboot, but not because a file that is no namespace is gone`() throws {
    try inTemporaryDirectory { directory in
      try write("", to: "\(directory)/gone")
      var leases = try open(directory)
      for (number, path) in ["\(directory)/gone", "/proc/self/ns/net"].enumerated() {
        _ = try leases.take(address("10.1.0.\(number)"), for: a, namespacePath: path, set: 0)
      }
      try write("a\r\neth0", to: "\(directory)/data/net/10.1.0.7")
      try FileManager.default.removeItem(atPath: "\(directory)/gone")
      #expect(try leases.deadLeases() == [])
      let file = try Descriptor.open("\(directory)/data/net/10.1.0.1")
      try file.setAttribute("user.swift-cni", Array("00000000-0000-0000-0000-000000000000".utf8))
      #expect(try leases.deadLeases() == [address("10.1.0.1")])
      for text in ["", " ", "\0", "x y z", "x 1: /none"] {
        try file.setAttribute("user.swift-cni", Array(text.utf8))
        #expect(try leases.deadLeases() == [], "attribute \"\(text)\"")
      }
    }
  }

  @Test func `a removed network leaves nothing and starts again`() throws {
    try inTemporaryDirectory { directory in
      var leases = try open(directory)
      _ = try leases.take(address("10.1.0.2"), for: a, namespacePath: "", set: 0)
      try leases.recordAddresses([address("10.1.0.2")], for: StickyName(container: "db", interface: "eth0"))
      _ = consume leases
      let (name, data) = try (#require(network), "\(directory)/data")
      let subnet = try SubnetRecords.subnet(.v4, of: name, dataDir: data, recording: true) { () throws(CNIError) in [] }
      #expect(subnet?.description == "172.17.0.0/16")
      try LeaseDirectory.removeAll(dataDir: data, network: name, indexDirectory: "\(directory)/index")
      try LeaseDirectory.removeAll(dataDir: data, network: name, indexDirectory: "\(directory)/index")
      #expect(fileNames(data) == [".auto-subnets", ".sticky"])
      #expect(
        [fileNames("\(data)/.auto-subnets"), fileNames("\(data)/.sticky"), fileNames("\(directory)/index")] == [
          [".lock"], [], [],
        ])
      var anew = try open(directory)
      #expect(try anew.lastReserved(set: 0) == nil)
    }
  }

  @Test func `the report has leases and free addresses`() throws {
    try inTemporaryDirectory { directory in
      var leases = try open(directory)
      _ = try leases.take(address("10.1.0.10"), for: a, namespacePath: "", set: 0)
      _ = try leases.take(address("10.1.0.9"), for: a, namespacePath: "", set: 0)
      let subnet = try #require(IPPrefix("10.1.0.0/28"))
      let set = try RangeSet(
        key: "ipam.subnet",
        ranges: [
          AddressRange(
            key: "ipam", subnet: subnet, span: span("10.1.0.1-10.1.0.14"), gateway: address("10.1.0.1"), excluded: [])
        ])
      let report = try LeaseReport.read(dataDir: "\(directory)/data", network: #require(network), sets: [set])
      #expect(report.leases.map(\.address) == [try address("10.1.0.9"), try address("10.1.0.10")])
      #expect(report.leases.allSatisfy { $0.holder == a && $0.leasedAt > 1_700_000_000 })
      #expect(report.free == 11)
      let none = try LeaseReport.read(dataDir: "\(directory)/none", network: #require(network))
      #expect(none.leases == [] && none.free == 0)
    }
  }
}
