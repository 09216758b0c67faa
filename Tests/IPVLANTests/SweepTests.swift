import ContainerLinks
import Kernel
import LabSupport
import SweepSupport
import TestSupport
import Testing

@testable import ipvlan

/// `ipvlan` on the running kernel, refused once at each of its changes.
@Suite(.needsRoot)
struct SweepTests {
  private func attach(refusing n: Int) throws -> Sweep {
    try Sweep(
      UpperDriver<IPVLANConfig>(), #"{"master": "m0", "flag": "private", "ipam": {"type": "fake"}}"#,
      on: [
        .createLink(LinkSpec("m0", kind: .veth(peer: .init(name: "far0", side: .host)))),
        .changeLink("m0", on: .host, LinkChange(isUp: true)), .changeLink("far0", on: .host, LinkChange(isUp: true)),
      ], refusing: n)
  }

  @Test func `host and container are as they were, whichever change is refused`() throws {
    let whole = try attach(refusing: .max)
    #expect(whole.succeeded)
    #expect(whole.after != whole.before)
    #expect((8...12).contains(whole.changes))
    for n in 0..<whole.changes {
      let sweep = try attach(refusing: n)
      #expect(!sweep.succeeded, "change \(n)")
      #expect(sweep.after == sweep.before, "change \(n)")
    }
  }
}
