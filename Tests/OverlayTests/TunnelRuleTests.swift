import CNI
import Kernel
import NetTypes
import Overlay
import PacketFilter
import PluginKit
import TestSupport
import Testing
@testable import overlay_vxlan

/// Packet filter rules for the hosts that may send to the tunnel.
@Suite struct TunnelRuleTests {
  static let etcd = """
    {"mode":"l2","vni":100,"controlPlane":{"type":"etcd","endpoints":["http://192.0.2.9:2379"]},
    \(Fixture.addresses)}
    """

  private func rules(_ fixture: Fixture) throws -> [Rule]? {
    try fixture.kernel.filter.ruleSet(of: .tunnel(of: fixture.owner.network), .tunnels)?.rules
  }

  private func fewer(_ json: String) -> String { json.replacing(#"{"vtep":"192.0.2.2"},"#, with: "") }

  private func sets(_ fixture: Fixture) -> Int {
    fixture.kernel.applied.count { if case .setRules = $0 { true } else { false } }
  }

  @Test(
    arguments: [
      (Fixture.routed, 4789, ["192.0.2.2", "192.0.2.3"]), (Fixture.bridged, 4789, ["192.0.2.2", "192.0.2.3"]),
      (etcd, 8472, ["192.0.2.7"]), (Fixture.multicast, 4789, nil), (Fixture.evpn, 4789, nil), (Fixture.red, 4789, nil),
    ] as [(String, UInt16, [IPAddress]?)])
  func `only peers may send VXLAN packets, all hosts if peers are unknown, and containers never`(
    json: String, port: UInt16, peers: [IPAddress]?
  ) throws {
    let fixture = Fixture()
    fixture.control.controlState.peers = [OverlayPeer("192.0.2.7")]
    _ = try fixture.add(json)
    #expect(try rules(fixture) == [.guardTunnel(TunnelGuard(port: port, peers: peers))])
    // The rules are set before the device can receive packets.
    let guarded = fixture.kernel.applied.firstIndex { if case .setRules = $0 { true } else { false } }
    #expect(guarded == 0)
    let next = fixture.next()
    next.ipam.answer.ips = [.init(address: "10.1.0.6/24", gateway: "10.1.0.1")]
    _ = try next.add(json)
    #expect(sets(fixture) == 1)
    for one in [fixture, next] { try one.delete(json, path: nil) }
    #expect(try rules(fixture) != nil)
    try fixture.collectGarbage(json)
    #expect(try fixture.kernel.filter.ruleSets(of: fixture.owner.network) == [])
  }

  @Test func `another program's VXLAN device at the same port opens it to all hosts`() throws {
    let fixture = Fixture()
    let device = LinkSpec("flannel.1", kind: .vxlan(VXLAN(vni: 1, port: 4789), over: nil))
    try fixture.kernel.apply(.createLink(device))
    _ = try fixture.add(Fixture.routed)
    #expect(try rules(fixture) == [.guardTunnel(TunnelGuard(port: 4789, peers: nil))])
    try fixture.kernel.apply(.changeLink("flannel.1", on: .host, LinkChange(group: Isolation.linkGroup)))
    _ = try fixture.next().add(Fixture.routed)
    #expect(try rules(fixture) == [.guardTunnel(TunnelGuard(port: 4789, peers: ["192.0.2.2", "192.0.2.3"]))])
  }

  @Test func `a host without nf_tables attaches without the rule`() throws {
    let fixture = Fixture()
    fixture.kernel.filter = FakeFilter(on: nil)
    let open = Fixture.routed.replacing("{\"vni\"", with: #"{"isolation":"none","vni""#)
    let result = try fixture.add(open)
    try fixture.plugin.check(fixture.call(open, previous: result))
    try fixture.status(open)
    #expect(try rules(fixture) == nil)
    try fixture.collectGarbage(open)
  }

  @Test func `a failed ADD restores the old peers, whichever change the kernel refuses`() throws {
    let first = Fixture()
    _ = try first.add(fewer(Fixture.bridged))
    let before = try rules(first), state = first.kernel.state
    var count = 0
    while true {
      let next = first.next(try #require(ContainerID("c\(count + 2)")))
      let made = next.kernel.state
      next.ipam.answer.ips = [.init(address: "10.1.0.6/24", gateway: "10.1.0.1")]
      next.kernel.changesBeforeRefusal = count
      guard let error = try next.refusal(Fixture.bridged) else { break }
      #expect(error.code == .kernelRefused)
      #expect(try rules(first) == before, "change \(count)")
      #expect(next.kernel.state == made, "change \(count)")
      count += 1
    }
    #expect(count > 5 && state.links[.host]?["vx-net"] != nil)
    #expect(try rules(first) == [.guardTunnel(TunnelGuard(port: 4789, peers: ["192.0.2.2", "192.0.2.3"]))])
  }

  @Test func `CHECK reports a missing rule, and sync restores it with the current peers`() throws {
    let fixture = Fixture()
    let result = try fixture.add(Fixture.bridged)
    let owner = AttachmentID.tunnel(of: fixture.owner.network)
    fixture.kernel.filter.remove(owner, .tunnels)
    let error = #expect(throws: CNIError.self) {
      try fixture.plugin.check(fixture.call(Fixture.bridged, previous: result))
    }
    #expect(
      error?.message.contains("UDP port 4789 for VXLAN packets of 2 hosts, not of containers is missing") == true)
    var kernel = fixture.kernel
    for json in [Fixture.bridged, fewer(Fixture.bridged)] {
      let input = try fixture.input(json, for: .check, on: &kernel)
      let settings = try OverlaySettings(input, RuntimeKeys(), CNIArguments(""))
      for change in try OverlayReconciler(settings, of: fixture.owner.network, on: &kernel).changes() {
        try kernel.apply(change)
      }
      let peers: [IPAddress] = json == Fixture.bridged ? ["192.0.2.2", "192.0.2.3"] : ["192.0.2.3"]
      #expect(try rules(fixture) == [.guardTunnel(TunnelGuard(port: 4789, peers: peers))])
    }
  }
}

extension PacketFilter {
  fileprivate mutating func remove(_ owner: AttachmentID, _ role: PluginRole) {
    try? remove(owner, role, everywhere: false)
  }
}
