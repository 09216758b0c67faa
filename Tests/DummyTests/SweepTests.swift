import LabSupport
import SweepSupport
import Testing

@testable import dummy

/// `dummy` on the running kernel, refused once at each of its changes.
@Suite(.needsRoot)
struct SweepTests {
  @Test func `host and container are as they were, whichever change is refused`() throws {
    let json = #"{"ipam": {"type": "fake"}}"#
    let whole = try Sweep(DummyDriver(), json, refusing: .max)
    #expect(whole.succeeded)
    #expect(whole.after != whole.before)
    #expect((8...12).contains(whole.changes))
    for n in 0..<whole.changes {
      let sweep = try Sweep(DummyDriver(), json, refusing: n)
      #expect(!sweep.succeeded, "change \(n)")
      #expect(sweep.after == sweep.before, "change \(n)")
    }
  }
}
