import CNI
import Kernel
import NetTypes
import Overlay
import PacketFilter
import PluginKit
import TestSupport
import Testing
@testable import overlay_vxlan

@Suite struct AddTests {
  @Test func `a tunnel and a container with an IPv6 address always have the same MAC addresses`() {
    #expect(MACAddress(forTunnelOf: 100, from: "192.0.2.1").description == "1e:13:1a:59:ae:74")
    #expect(MACAddress(forContainer: "fd00::5").description == "12:6f:31:b8:0a:b4")
  }

  @Test func `an l3 network has a route, a neighbour entry and an FDB entry for each peer`() throws {
    let fixture = Fixture()
    let result = try fixture.add(Fixture.routed)
    let tunnel = try #require(fixture.kernel.link("vx-net", on: .host))
    #expect(tunnel.vxlan?.description == "vxlan id 100 dstport 4789 local 192.0.2.1 nolearning")
    #expect(tunnel.mtu == 1450)
    #expect(tunnel.mac == MACAddress(forTunnelOf: 100, from: "192.0.2.1"))
    #expect(tunnel.alias == "cni:net/")
    #expect(tunnel.group == Isolation.linkGroup)
    #expect(tunnel.master == nil)
    #expect(
      Set(fixture.kernel.state.forwarding.filter { $0.interface == "vx-net" }) == [
        FDBSpec("02:00:00:00:00:02", on: "vx-net", in: .tunnel(to: "192.0.2.2")),
        FDBSpec("02:00:00:00:00:03", on: "vx-net", in: .tunnel(to: "192.0.2.3")),
      ])
    #expect(
      Set(fixture.kernel.state.neighbours) == [
        NeighbourSpec("10.2.0.0", mac: "02:00:00:00:00:02", on: "vx-net", .host),
        NeighbourSpec("10.3.0.0", mac: "02:00:00:00:00:03", on: "vx-net", .host),
        NeighbourSpec("fd00:3::", mac: "02:00:00:00:00:03", on: "vx-net", .host),
      ])
    let routes = try fixture.kernel.routes(of: "vx-net", on: .host)
    #expect(
      Set(routes.map { "\($0) src \($0.source?.description ?? "-") onlink \($0.isOnLink)" }) == [
        "10.2.0.0/24 via 10.2.0.0 on vx-net src 10.1.0.1 onlink true",
        "10.3.0.0/24 via 10.3.0.0 on vx-net src 10.1.0.1 onlink true",
        "fd00:3::/64 via fd00:3:: on vx-net src fd00:1::1 onlink true",
      ])
    #expect(try fixture.kernel.addresses(of: "vx-net", on: .host) == ["10.1.0.0/32", "fd00:1::/128"])
    #expect(try fixture.kernel.addresses(of: "ov-net", on: .host) == ["10.1.0.1/24", "fd00:1::1/64"])
    #expect(result.interfaces.map(\.name) == ["ov-net", fixture.owner.hostInterface.description, "eth0"])
    #expect(result.interfaces.map(\.mtu) == [1450, 1450, 1450])
    #expect(result.interfaces[2].mac == "02:42:0a:01:00:05")
    #expect(result.routes == [Route(dst: "0.0.0.0/0", gw: "10.1.0.1"), Route(dst: "::/0", gw: "fd00:1::1")])
    let ruleSet = try #require(try fixture.ruleSet)
    #expect(ruleSet.rules == [.isolate(Isolation("ov-net", partner: "vx-net", reach: .network))])
  }

  @Test func `an l2 network floods to each peer and has FDB and neighbour entries for endpoints`() throws {
    let fixture = Fixture()
    _ = try fixture.add(Fixture.bridged)
    let bridge = try #require(fixture.kernel.link("ov-net", on: .host))
    let tunnel = try #require(fixture.kernel.link("vx-net", on: .host))
    #expect(bridge.mac == "02:43:4e:00:00:64")
    #expect(tunnel.master == bridge.index)
    #expect(tunnel.port == BridgePort(hairpin: false, isolated: false, learning: false, neighSuppress: true))
    let known = MACAddress(forContainer: "10.1.0.77")
    #expect(
      Set(fixture.kernel.state.forwarding.filter { $0.interface == "vx-net" }) == [
        FDBSpec("00:00:00:00:00:00", on: "vx-net", in: .tunnel(to: "192.0.2.2")),
        FDBSpec("00:00:00:00:00:00", on: "vx-net", in: .tunnel(to: "192.0.2.3")),
        FDBSpec(known, on: "vx-net", in: .tunnel(to: "192.0.2.3")), FDBSpec(known, on: "vx-net", in: .master),
      ])
    #expect(fixture.kernel.state.neighbours == [NeighbourSpec("10.1.0.77", mac: known, on: "ov-net", .host)])
    let ruleSet = try #require(try fixture.ruleSet)
    #expect(ruleSet.rules == [.isolate(Isolation("ov-net", reach: .network))])
  }

  @Test func `with evpn ADD sets an FDB entry on the port and neighbour entries on the bridge`() throws {
    let fixture = Fixture()
    _ = try fixture.add(Fixture.evpn)
    let mac = MACAddress(forContainer: "10.1.0.5")
    #expect(fixture.kernel.state.forwarding == [FDBSpec(mac, on: fixture.owner.hostInterface, in: .externallyLearned)])
    #expect(
      fixture.kernel.state.neighbours == [
        NeighbourSpec("10.1.0.5", mac: mac, on: "ov-net", .host),
        NeighbourSpec("fd00:1::5", mac: mac, on: "ov-net", .host),
      ])
    #expect(fixture.kernel.state.sysctls[.host]?["net/ipv6/conf/vx-net/addr_gen_mode"] == "1")
    #expect(fixture.kernel.state.sysctls[.host]?["net/ipv6/conf/vx-net/disable_ipv6"] == "1")
    #expect(fixture.kernel.state.sysctls[.host]?["net/ipv6/conf/ov-net/accept_dad"] == "0")
  }

  @Test func `ADD waits once for the withdrawal of the container's route, and releases the lock meanwhile`() throws {
    let fixture = Fixture()
    let mac = MACAddress(forContainer: "10.1.0.5")
    let wait = Change.awaitFDBRemoval(FDBSpec(mac, on: "vx-net", in: .externallyLearned))
    _ = try fixture.add(Fixture.evpn)
    _ = try fixture.next().add(Fixture.evpn)
    #expect(!fixture.kernel.applied.contains(wait))
    fixture.kernel.state.forwarding.append(FDBSpec(mac, on: "vx-net", in: .externallyLearned))
    let locks = fixture.kernel.locks.count, before = fixture.kernel.applied.count
    _ = try fixture.next("c3").add(Fixture.evpn)
    // The wait is the first change, so an ADD that is killed during it has changed nothing.
    let applied = fixture.kernel.applied.dropFirst(before)
    #expect(applied.first == wait)
    // The fake keeps the entry, as if the routing daemon did not remove it.
    #expect(applied.filter { $0 == wait }.count == 1)
    #expect(fixture.kernel.appliedUnlocked == [wait])
    #expect(fixture.kernel.locks[locks...] == [false, false])
    let other = Fixture()
    _ = try other.add(Fixture.bridged)
    _ = try other.next().add(Fixture.bridged)
    #expect(!other.kernel.applied.contains { if case .awaitFDBRemoval = $0 { true } else { false } })
  }

  @Test func `ADD goes on if the kernel refuses to show whether the route is withdrawn`() throws {
    let fixture = Fixture()
    _ = try fixture.add(Fixture.evpn)
    let mac = MACAddress(forContainer: "10.1.0.5")
    fixture.kernel.state.forwarding.append(FDBSpec(mac, on: "vx-net", in: .externallyLearned))
    fixture.kernel.changesBeforeRefusal = 0
    let next = fixture.next(), before = fixture.kernel.applied.count
    _ = try next.add(Fixture.evpn)
    #expect(
      fixture.kernel.applied[before] == .awaitFDBRemoval(FDBSpec(mac, on: "vx-net", in: .externallyLearned)))
    #expect(fixture.kernel.link(next.owner.hostInterface, on: .host) != nil)
  }

  @Test(arguments: [Fixture.routed, Fixture.bridged, Fixture.evpn])
  func `ADD does not set the bridge's MAC address again, even if sysfs does not show how it was set`(
    json: String
  ) throws {
    let first = Fixture()
    _ = try first.add(json)
    first.kernel.state.links[.host]?["ov-net"]?.keepsMAC = nil
    let neighbours = first.kernel.state.neighbours, before = first.kernel.applied.count
    let second = first.next()
    second.ipam.answer.ips = [.init(address: "10.1.0.6/24", gateway: "10.1.0.1")]
    _ = try second.add(json)
    let given = first.kernel.applied.dropFirst(before).filter {
      if case .changeLink("ov-net", .host, let change) = $0 { change.mac != nil } else { false }
    }
    #expect(given == [])
    #expect(neighbours.allSatisfy(first.kernel.state.neighbours.contains))
  }

  @Test(arguments: [Fixture.routed, Fixture.bridged, Fixture.evpn])
  func `learning is off on a container's bridge port`(json: String) throws {
    let fixture = Fixture()
    let mac = try fixture.add(json).interfaces[2].mac.flatMap(MACAddress.init)
    let port = fixture.owner.hostInterface
    #expect(fixture.kernel.link(port, on: .host)?.port?.learning == false)
    #expect(fixture.kernel.link(port, on: .host)?.port?.locked == nil)
    let entries = fixture.kernel.state.forwarding.filter { $0.interface == port }
    #expect(entries.map(\.mac) == [mac] && entries.first?.table == (json == Fixture.evpn ? .externallyLearned : .port))
  }

  @Test func `the VXLAN device of a multicast network learns, and ADD keeps the learned entries`() throws {
    let fixture = Fixture()
    _ = try fixture.add(Fixture.multicast)
    let tunnel = try #require(fixture.kernel.link("vx-net", on: .host))
    #expect(tunnel.vxlan?.description == "vxlan id 100 dstport 4789 local 192.0.2.1 group 239.1.1.1 learning")
    #expect(tunnel.parentIndex == fixture.kernel.link("uplink", on: .host)?.index)
    #expect(tunnel.port == BridgePort(hairpin: false, isolated: false, learning: true, neighSuppress: false))
    // Other hosts' devices learn from frames, so the port is locked against forged MAC addresses.
    let port = fixture.owner.hostInterface
    #expect(fixture.kernel.link(port, on: .host)?.port?.locked == true)
    #expect(fixture.kernel.state.forwarding.contains { $0.interface == port && $0.table == .port })
    #expect(
      !fixture.kernel.applied.contains { if case .setTunnelTables = $0 { true } else { false } })
  }

  @Test(arguments: [Fixture.routed, Fixture.bridged, Fixture.evpn, Fixture.multicast, Fixture.red])
  func `a second ADD changes no shared link and takes only the shared lock`(json: String) throws {
    let first = Fixture()
    _ = try first.add(json)
    let second = first.next()
    second.ipam.answer.ips = [.init(address: "10.1.0.6/24", gateway: "10.1.0.1")]
    let before = second.kernel.applied.count
    _ = try second.add(json)
    #expect(second.kernel.locks == [false, true, false])
    let host = second.owner.hostInterface
    let changes = second.kernel.applied.dropFirst(before).drop { if case .addRules = $0 { true } else { false } }
    #expect(changes.first.map { if case .createLink(let spec) = $0 { spec.name } else { "none" } } == host)
  }

  @Test(arguments: [Fixture.routed, Fixture.bridged, Fixture.evpn, Fixture.multicast, Fixture.red])
  func `ADD is rolled back whichever change the kernel refuses`(json: String) throws {
    let whole = Fixture()
    _ = try whole.add(json)
    #expect((15..<50).contains(whole.kernel.applied.count))
    for n in 0..<whole.kernel.applied.count {
      let fixture = Fixture()
      #expect(try fixture.expectRollback(json, refusing: n), "change \(n)")
      #expect(fixture.ipam.calls == [.add, .del], "change \(n)")
    }
  }

  @Test(arguments: [Fixture.routed, Fixture.bridged, Fixture.evpn, Fixture.multicast, Fixture.red])
  func `a refused second ADD leaves the first attachment unchanged`(json: String) throws {
    let first = Fixture()
    _ = try first.add(json)
    let second = first.next()
    let before = second.kernel.state
    for n in 0..<5 {
      second.kernel.changesBeforeRefusal = n
      #expect(try second.refusal(json)?.code == .kernelRefused, "change \(n)")
      #expect(second.kernel.state == before, "change \(n)")
    }
  }

  @Test func `ipMasq applies only to packets that leave the whole network`() throws {
    let fixture = Fixture()
    _ = try fixture.add(
      Fixture.routed.replacing("{\"vni\"", with: #"{"ipMasq":true,"network":["10.0.0.0/8","fd00::/16"],"vni""#))
    let ruleSet = try #require(try fixture.ruleSet)
    #expect(
      ruleSet.rules.dropFirst() == [
        .masquerade(Masquerade("10.1.0.5", in: "10.0.0.0/8")), .masquerade(Masquerade("fd00:1::5", in: "fd00::/16")),
      ])
    let routes = fixture.kernel.state.routes.filter { $0.netns == .container }.map(\.description)
    #expect(routes.contains("10.0.0.0/8 via 10.1.0.1 on eth0 in the container"))
  }

  @Test func `directRouting routes to hosts on the same link without the tunnel`() throws {
    let fixture = Fixture()
    fixture.kernel.gateways["192.0.2.3"] = ("uplink", "192.0.2.254")
    _ = try fixture.add(
      Fixture.routed.replacing("{\"vni\"", with: #"{"directRouting":true,"network":"10.0.0.0/8","vni""#))
    let routes = fixture.kernel.state.routes.filter { $0.netns == .host && $0.dst.family == .v4 }
    #expect(
      routes.map(\.description).sorted() == [
        "10.2.0.0/24 via 192.0.2.2 on uplink", "10.3.0.0/24 via 10.3.0.0 on vx-net",
      ])
    let isolation = Isolation("ov-net", partner: "vx-net", directPrefixes: ["10.0.0.0/8"], reach: .network)
    #expect(try fixture.ruleSet?.rules == [.isolate(isolation)])
    #expect(routes.compactMap(\.priority) == [(1 << 30) + 100])
    try fixture.collectGarbage(Fixture.routed)
    #expect(fixture.kernel.state.routes == [])
  }
}

extension String {
  func replacing(_ old: String, with new: String) -> String {
    guard let range = firstRange(of: old) else { return self }
    return replacingCharacters(in: range, with: new)
  }

  private func replacingCharacters(in range: Range<String.Index>, with new: String) -> String {
    self[..<range.lowerBound] + new + self[range.upperBound...]
  }
}
