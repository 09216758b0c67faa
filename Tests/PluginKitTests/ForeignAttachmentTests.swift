import CNI
import Kernel
import NetTypes
import TestSupport
import Testing
@testable import PluginKit

@Suite struct ForeignAttachmentTests {
  private func owner() throws -> AttachmentID {
    AttachmentID(
      network: "net", container: "c1", interface: "eth0")
  }

  /// A container whose veth pair has the reference's names and no alias.
  private func host() -> FakeKernel {
    let kernel = FakeKernel()
    kernel.addLink("veth1", on: .host, kind: "veth")
    kernel.addLink("eth0", on: .container, kind: "veth")
    let outside = kernel.link("veth1", on: .host)?.index
    kernel.state.links[.container]?["eth0"]?.peerIndex = outside
    return kernel
  }

  private let previous = AddResult(interfaces: [.init(name: "veth1"), .init(name: "eth0", sandbox: "/run/netns/c1")])

  @Test func `CHECK of a reference plugin's attachment expects that plugin's link and port settings`() throws {
    var kernel = host()
    let owner = try owner()
    let found = try ForeignAttachment(of: owner, "veth", previous, on: &kernel)
    let foreign = try #require(found)
    #expect(foreign.hostEnd == "veth1")
    let ours = LinkChange(
      isUp: true, alias: owner.tag, group: 5, master: "br0", port: BridgePort(hairpin: true, learning: false))
    #expect(
      foreign.expectation(.changeLink(owner.hostInterface, on: .host, ours))
        == .changeLink("veth1", on: .host, LinkChange(isUp: true, master: "br0", port: BridgePort(hairpin: true))))
    // The reference sets no FDB entry: the bridge learns it.
    let entry = FDBSpec("02:00:00:00:00:05", on: owner.hostInterface, in: .port)
    #expect(foreign.expectation(.setFDB(entry)) == nil)
  }

  @Test func `an attachment with our alias is ours`() throws {
    var kernel = host()
    kernel.state.links[.host]?["veth1"]?.alias = try owner().tag
    let found = try ForeignAttachment(of: owner(), "veth", previous, on: &kernel)
    #expect(found == nil)
  }
}
