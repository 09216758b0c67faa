import CNI
import EtcdClient
import Kernel
import Overlay
import SweepSupport
import TestSupport
import Testing
@testable import overlay_vxlan

/// `overlay-vxlan` on the running kernel, which refuses each change once.
@Suite(.needsKernel) struct OverlaySweepTests {
  private static let peers = """
    [{"vtep":"192.0.2.1","subnets":["10.1.0.0/24","fd00:1::/64"]},{"vtep":"192.0.2.2","subnet":"10.2.0.0/24"},
    {"vtep":"198.51.100.3","subnets":["10.3.0.0/24","fd00:3::/64"]}]
    """

  static let networks = [
    #""mode":"l3","controlPlane":{"type":"static","peers":\#(peers)}"#,
    #""mode":"l3","directRouting":true,"controlPlane":{"type":"static","peers":\#(peers)}"#,
    """
    "mode":"l2","txChecksumOffload":false,"controlPlane":{"type":"static","peers":
    [{"vtep":"192.0.2.2","endpoints":[{"ip":"10.1.0.77"},{"ip":"fd00:1::77"}]}]}
    """,
    #""mode":"l2","controlPlane":{"type":"evpn"}"#,
    #""mode":"l2","isGateway":false,"controlPlane":{"type":"evpn"}"#,
    #""mode":"l2","dev":"m0","controlPlane":{"type":"multicast","group":"239.1.1.1"}"#,
  ]

  private static let host =
    Sweep.master + [
      .addAddress(AddressSpec("192.0.2.1/24", on: "m0", .host)),
      .addRoute(RouteSpec("198.51.100.0/24", via: "192.0.2.254", on: "m0", .host)),
    ]

  private func attach(_ keys: String, refusing n: Int) throws -> Sweep {
    try Sweep(
      #"{"vni":100,"local":"192.0.2.1","isolation":"none","ipam":{"type":"fake"},\#(keys)}"#, on: Self.host,
      refusing: n
    ) {
      OverlayPlugin(EtcdControlPlane(warn: { _ in }) { (config) throws(CNIError) in EtcdClient(config) }, on: $0)
    }
  }

  @Test(arguments: networks)
  func `ADD leaves host and container unchanged if any change is refused`(keys: String) throws {
    try Sweep.expectRollback(changes: 20...60) { try attach(keys, refusing: $0) }
  }
}
