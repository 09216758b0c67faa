import Kernel
import Testing

/// The steps of a call, for `CNI_LOG`.
@Suite struct JournalTests {
  private struct Refusal: Error, CustomStringConvertible {
    var description: String { "refused" }
  }

  @Test func `a step has its duration and its error, and steps within it are part of it`() throws {
    var now = 0
    let journal = Journal { now }
    let value = try journal.step("create br0") { () throws(Refusal) -> Int in
      now += 5
      return try journal.step("look up br0") { () throws(Refusal) in now }
    }
    #expect(value == 5)
    #expect(throws: Refusal.self) {
      try journal.step("set br0 up") { () throws(Refusal) in
        now += 2
        throw Refusal()
      }
    }
    #expect(journal.steps.map(\.name) == ["create br0", "set br0 up"])
    #expect(journal.steps.map(\.microseconds) == [5, 2])
    #expect(journal.steps.map(\.error) == [nil, "refused"])
  }
}
