import BaseSupport
import CNI
import Foundation
import IPAM
import NetTypes
import Testing

/// The expected answers, read from the directory without an index.
private struct Model {
  var directory: String
  var files: String { "\(directory)/data/net" }

  var leases: [String: String] {
    var leases: [String: String] = [:]
    for name in fileNames(files) where IPAddress(name) != nil { leases[name] = read("\(files)/\(name)") }
    return leases
  }

  /// Asks index and directory everything that the index answers, and returns the differences.
  func disagreements(_ store: inout LeaseDirectory, holders: [LeaseHolder], spans: [AddressSpan]) throws -> [String] {
    let leases = leases
    let taken = Set(leases.keys.compactMap { IPAddress($0) })
    var wrong: [String] = []
    for holder in holders {
      let text = String(decoding: holder.fileContent, as: UTF8.self)
      var own = leases.filter { $0.value == text }.keys.compactMap { IPAddress($0) }.sorted()
      if own.isEmpty { own = leases.filter { $0.value == holder.container }.keys.compactMap { IPAddress($0) }.sorted() }
      let answer = try store.addresses(of: holder)
      if answer != own { wrong.append("\(holder): \(answer), the files say \(own)") }
    }
    for span in spans {
      let count = taken.count { span.contains($0) }
      if try store.leasedCount(in: [span]) != UInt128(count) { wrong.append("\(span): not \(count) leases") }
      var free: IPAddress? = span.first
      while let candidate = free, taken.contains(candidate) {
        free = candidate == span.last ? nil : candidate.advanced(by: 1)
      }
      let answer = try store.firstFree(in: span)
      if answer != free {
        wrong.append("\(span): first free \(String(describing: answer)), the files say \(String(describing: free))")
      }
    }
    return wrong
  }
}

@Suite struct IndexTests {
  static let indexes = ["kept", "forbidden", "spoilt"]

  /// Random changes by our code and by code that acts as the reference plugin, under the same lock.
  @Test(arguments: [1, 2, 3], indexes)
  func `the lease index has the same leases as the directory`(seed: UInt64, kind: String) throws {
    var random = Xorshift(seed: seed)
    let spans = try [
      "10.1.0.0-10.1.5.255", "10.1.1.250-10.1.2.7", "10.1.3.0", "10.1.255.0-10.2.0.255", "fd00::-fd00::3ff",
      "fd00::fffe-fd00::1:2", "255.255.255.250-255.255.255.255",
    ].map(span)
    let holders = (0..<60).map { LeaseHolder(container: "c\($0)", interface: "eth\($0 % 2)") }
    try inTemporaryDirectory { directory in
      if kind == "forbidden" { try write("no directory", to: "\(directory)/index") }
      let model = Model(directory: directory)
      for round in 0..<40 {
        var store = try open(directory)
        for _ in 0..<Int.random(in: 1...8, using: &random) {
          let span = spans[Int.random(in: 0..<spans.count, using: &random)]
          let address = try #require(
            span.first.advanced(by: UInt128.random(in: 0..<min(span.count, 64), using: &random)))
          let holder = holders[Int.random(in: 0..<holders.count, using: &random)]
          switch Int.random(in: 0..<10, using: &random) {
          case 0..<6: _ = try store.take(address, for: holder, namespacePath: "", set: 0)
          case 6..<8: try store.release(address)
          default: for address in try store.addresses(of: holder) { try store.release(address) }
          }
        }
        let wrong = try model.disagreements(&store, holders: holders, spans: spans)
        #expect(wrong == [], "round \(round)")
        _ = consume store
        if round % 3 == 0 { try disturb(model, holders, kind, &random) }
      }
    }
  }

  private func disturb(_ model: Model, _ holders: [LeaseHolder], _ kind: String, _ random: inout Xorshift) throws {
    for _ in 0..<Int.random(in: 1...3, using: &random) {
      if Bool.random(using: &random), let victim = model.leases.keys.sorted().first {
        try FileManager.default.removeItem(atPath: "\(model.files)/\(victim)")
      } else {
        let holder = holders[Int.random(in: 0..<holders.count, using: &random)]
        let text = Bool.random(using: &random) ? String(decoding: holder.fileContent, as: UTF8.self) : holder.container
        // Not atomic, because the reference writes no temporary file.
        _ = FileManager.default.createFile(
          atPath: "\(model.files)/10.1.3.\(Int.random(in: 0...255, using: &random))", contents: Data(text.utf8))
      }
    }
    guard kind == "spoilt", let name = fileNames("\(model.directory)/index").first else { return }
    let path = "\(model.directory)/index/\(name)"
    let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    try bytes.prefix(Int.random(in: 0...bytes.count, using: &random)).write(to: URL(fileURLWithPath: path))
  }

  @Test func `the lease index grows with the leases and stays usable`() throws {
    try inTemporaryDirectory { directory in
      let model = Model(directory: directory)
      for batch in 0..<4 {
        var store = try open(directory)
        for number in 0..<100 {
          let holder = LeaseHolder(container: "c\(batch)-\(number)", interface: "eth0")
          let address = try #require(IPAddress(.v6, 0xFD << 120 | UInt128(batch * 100 + number) << 10))
          #expect(try store.take(address, for: holder, namespacePath: "", set: 0))
        }
        let holders = (0..<100).map { LeaseHolder(container: "c\(batch)-\($0)", interface: "eth0") }
        let wrong = try model.disagreements(&store, holders: holders, spans: [span("fd00::-fd00::3ff")])
        #expect(wrong == [])
      }
      #expect(fileNames("\(directory)/index").count == 1)
    }
  }

  @Test func `a valid lease index is used without reading the directory`() throws {
    try inTemporaryDirectory { directory in
      var store = try open(directory)
      _ = try store.take(
        address("10.1.0.2"), for: LeaseHolder(container: "a", interface: "eth0"), namespacePath: "", set: 0)
      _ = consume store
      // New contents do not change the directory's time, so the index must not notice them.
      try Data("b\r\neth0".utf8).write(to: URL(fileURLWithPath: "\(directory)/data/net/10.1.0.2"), options: [])
      var again = try open(directory)
      #expect(try again.addresses(of: LeaseHolder(container: "b", interface: "eth0")) == [])
      #expect(try again.addresses(of: LeaseHolder(container: "a", interface: "eth0")) == [])
    }
  }
}
