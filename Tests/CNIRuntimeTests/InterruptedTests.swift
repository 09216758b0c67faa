import CNI
import CNIRuntime
import Foundation
import NetTypes
import Testing

/// A chain of ADDs that was interrupted.
@Suite struct InterruptedTests {
  private static let chain = #"{"cniVersion":"1.1.0","name":"blue","plugins":[{"type":"one"},{"type":"two"}]}"#

  /// Writes the cache as a process leaves it that is killed while the second plugin runs.
  private func interrupt(_ host: FakePlugins, _ attachment: NetworkAttachment) throws {
    let path = "cache/results/blue-c1-eth0"
    try host.writeProgram("two", "#!/bin/sh\ncp \(host.directory)/\(path) \(host.directory)/copy; exit 1")
    #expect(throws: CNIError.self) { try host.runtime().add(try list(Self.chain), attachment) }
    try host.install("two")
    try host.write(path, host.read("copy"))
    try host.write("calls", "")
  }

  @Test func `an interrupted ADD is in the cache before the first plugin runs, and DEL removes it`() throws {
    try FakePlugins.with(["one", "two"]) { host in
      let attachment = try attachment(), runtime = host.runtime()
      try interrupt(host, attachment)
      #expect(try runtime.cache.entries().map(\.attachment) == [attachment])
      let error = #expect(throws: CNIError.self) { try runtime.check(try list(Self.chain), attachment) }
      #expect(error?.code == .differences && error?.message.contains("was interrupted") == true)
      try runtime.delete(try list(Self.chain), attachment)
      #expect(try host.order() == ["two DEL", "one DEL"])
      #expect(try runtime.cache.entries() == [])
    }
  }

  @Test func `the next ADD rolls back an interrupted ADD and then succeeds`() throws {
    try FakePlugins.with(["one", "two"]) { host in
      let attachment = try attachment()
      try interrupt(host, attachment)
      _ = try host.runtime().add(try list(Self.chain), attachment)
      #expect(try host.order() == ["two DEL", "one DEL", "one ADD", "two ADD"])
      #expect(try host.runtime().check(try list(Self.chain), attachment) == nil)
    }
  }

  @Test(arguments: [true, false])
  func `a failed ADD stays in the cache only if its rollback failed`(isTakenBack: Bool) throws {
    try FakePlugins.with(["one", "two"]) { host in
      try host.answer("two", .add, #"{"code":11,"msg":"busy"}"#, fails: true)
      if !isTakenBack { try host.answer("one", .del, #"{"code":11,"msg":"busy"}"#, fails: true) }
      #expect(throws: CNIError.self) { try host.runtime().add(try list(Self.chain), try attachment()) }
      #expect(try host.runtime().cache.entries().isEmpty == isTakenBack)
    }
  }
}
