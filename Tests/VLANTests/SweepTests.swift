import LabSupport
import PluginKit
import SweepSupport
import TestSupport
import Testing
@testable import vlan

/// `vlan` on the running kernel, which refuses each change once.
@Suite(.needsRoot)
struct SweepTests {
  @Test func `ADD is rolled back whichever change the kernel refuses`() throws {
    try Sweep.expectRollback(changes: 8...12) { n in
      try Sweep(
        ChildLinkDriver<VLANConfig>(), #"{"master": "m0", "vlanId": 10, "mtu": 1400, "ipam": {"type": "fake"}}"#,
        on: Sweep.master, refusing: n)
    }
  }
}
