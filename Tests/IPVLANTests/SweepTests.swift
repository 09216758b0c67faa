import LabSupport
import PluginKit
import SweepSupport
import TestSupport
import Testing
@testable import ipvlan

/// `ipvlan` on the running kernel, which refuses each change once.
@Suite(.needsRoot)
struct SweepTests {
  @Test func `ADD leaves host and container unchanged if any change is refused`() throws {
    try Sweep.expectRollback(changes: 8...12) { n in
      try Sweep(
        ChildLinkDriver<IPVLANConfig>(), #"{"master": "m0", "flag": "private", "ipam": {"type": "fake"}}"#,
        on: Sweep.master, refusing: n)
    }
  }
}
