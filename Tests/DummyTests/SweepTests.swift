import LabSupport
import SweepSupport
import Testing
@testable import dummy

/// `dummy` on the running kernel, which refuses each change once.
@Suite(.needsRoot)
struct SweepTests {
  @Test func `ADD leaves host and container unchanged if any change is refused`() throws {
    try Sweep.expectRollback(changes: 8...12) { n in
      try Sweep(DummyDriver(), #"{"ipam": {"type": "fake"}}"#, refusing: n)
    }
  }
}
