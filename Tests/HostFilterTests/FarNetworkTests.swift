import CNI
import Foundation
import HostFilter
import NetTypes
import PacketFilter
import TestSupport
import Testing

/// What other hosts have of a network, for policies on this host.
@Suite struct FarNetworkTests {
  private let net: NetworkName = "front"
  private let web = Label(key: "tier", value: "web")

  private func far(_ members: [FarMember]?, _ prefixes: [IPPrefix] = ["10.5.0.0/16"]) -> FarNetwork {
    FarNetwork(behind: "vx-front", prefixes, members: members)
  }

  private func labelled(_ address: IPAddress) -> FarMember { FarMember(address, [web]) }

  private func contents(_ addresses: IPAddress...) -> PeerContents {
    PeerContents(of: .label(web), members: addresses.map { PeerContents.Member($0, behind: "vx-front") })
  }

  private func add(_ peer: Policy.Peer, to host: FilterHost) throws {
    let policy = Policy(of: ["10.1.0.2"], on: ["br0"], ingress: [Policy.Permission(peer)], egress: nil)
    var filter = host.filter
    try filter.add(RuleSet(.example, .policies, [.limit(policy)], backend: .nftables))
  }

  @Test func `a policy finds what was noted before, and what is noted later`() throws {
    let host = try FilterHost()
    var filter = host.filter
    try filter.note(far([labelled("10.5.1.2")]), of: net)
    host.nftables.filled = []
    try add(.label(web), to: host)
    #expect(host.nftables.filled == [contents("10.5.1.2")])
    try filter.note(far([labelled("10.5.1.3")]), of: net)
    #expect(host.nftables.filled == [contents("10.5.1.2"), contents("10.5.1.3")])
    try add(.network(net), to: host)
    #expect(host.nftables.filled.last?.prefixes == ["10.5.0.0/16"])
  }

  @Test func `only what differs is filled in`() throws {
    let host = try FilterHost()
    var filter = host.filter
    try filter.note(far([labelled("10.5.1.2")]), of: net)
    #expect(Set(host.nftables.filled.map { "\($0.peer)" }) == ["network front", "label tier=web"])
    host.nftables.filled = []
    try filter.note(far([labelled("10.5.1.2")]), of: net)
    #expect(host.nftables.filled == [])
    try filter.note(far(nil, ["10.5.0.0/16", "fd05::/32"]), of: net)
    #expect(host.nftables.filled.map { "\($0.peer)" } == ["network front"])
  }

  @Test func `containers that are not known stay as they were`() throws {
    let host = try FilterHost()
    var filter = host.filter
    try filter.note(far([labelled("10.5.1.2")]), of: net)
    try filter.note(far(nil), of: net)
    host.nftables.filled = []
    try add(.label(web), to: host)
    #expect(host.nftables.filled == [contents("10.5.1.2")])
  }

  @Test func `a network that leaves the host is forgotten`() throws {
    let host = try FilterHost()
    var filter = host.filter
    try filter.note(far([labelled("10.5.1.2")]), of: net)
    try filter.remove(.tunnel(of: net), .policies, everywhere: true)
    #expect(host.nftables.filled.suffix(2).allSatisfy { $0.members.isEmpty && $0.prefixes.isEmpty })
    #expect(!FileManager.default.fileExists(atPath: "\(host.state)/far"))
  }

  @Test func `a host without nf_tables notes nothing`() throws {
    let host = try FilterHost()
    host.nftables.isUsable = false
    var filter = host.filter
    try filter.note(far([]), of: net)
    #expect(host.nftables.filled == [] && !FileManager.default.fileExists(atPath: "\(host.state)/far"))
  }

  @Test func `GC keeps the rules for other hosts while a container is left`() throws {
    let host = try FilterHost(), tunnel = AttachmentID.tunnel(of: AttachmentID.example.network)
    var filter = host.filter
    let policy = Policy(of: [], on: ["br0"], ingress: [], egress: nil)
    try filter.set(RuleSet(tunnel, .policies, [.limit(policy)], backend: .nftables))
    try filter.collectGarbage(tunnel.network, .policies, valid: [.example], everywhere: false)
    #expect(try filter.ruleSet(of: tunnel, .policies) != nil)
    try filter.collectGarbage(tunnel.network, .policies, valid: [], everywhere: false)
    #expect(try filter.ruleSet(of: tunnel, .policies) == nil)
  }
}
