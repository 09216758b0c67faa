import Kernel
import Linux
import NetTypes
import Netlink
import PacketFilter
import PluginKit
import TestSupport
import Testing

/// VXLAN devices and their tunnel tables on the running kernel.
@Suite(.needsKernel) struct TunnelTests {
  private static var spec: LinkSpec {
    var vxlan = VXLAN(vni: 4097, port: 4790)
    vxlan.local = "192.0.2.1"
    vxlan.ttl = 9
    vxlan.df = .set
    vxlan.udpChecksum = false
    vxlan.sendsZeroChecksums = true
    vxlan.acceptsZeroChecksums = false
    return LinkSpec("vx0", kind: .vxlan(vxlan, over: "eth9"), mac: "02:11:22:33:44:55", mtu: 1450)
  }

  /// Creates an underlay, the VXLAN device and a bridge.
  private static let host: [Change] = [
    .createLink(LinkSpec("eth9", kind: .veth(peer: .init(name: "far")))),
    .addAddress(AddressSpec("192.0.2.1/24", on: "eth9", .host)),
    .changeLink("eth9", on: .host, LinkChange(isUp: true)),
    .changeLink("far", on: .container, LinkChange(isUp: true)),
    .createLink(spec),
    .createLink(LinkSpec("br0", kind: .bridge(filtersVLANs: false))),
    .changeLink("vx0", on: .host, LinkChange(isUp: true)),
    .changeLink("br0", on: .host, LinkChange(isUp: true)),
    .addAddress(AddressSpec("10.5.1.1/24", on: "br0", .host)),
  ]

  private static func onHost<Value: Sendable>(
    _ body: @escaping @Sendable (inout Transaction<LiveKernel<NoPacketFilter>>) throws -> Value
  ) throws
    -> Value
  {
    try inFreshNamespace { path in
      var kernel = try LiveKernel.open(containerNamespace: path)
      for change in host { try kernel.apply(change) }
      var transaction = Transaction(kernel)
      return try body(&transaction)
    }
  }

  private static func routed(_ ends: ClosedRange<Int>) -> TunnelTables {
    var tables = TunnelTables(of: "vx0")
    for end in ends {
      let mac = MACAddress(value: 0x0200_0000_0000 + UInt64(end))
      guard let base = IPAddress("10.6.\(end).0"), let subnet = IPPrefix("10.6.\(end).0/24"),
        let vtep = IPAddress("192.0.2.\(end)")
      else { continue }
      var route = RouteSpec(subnet, via: base, on: "vx0", .host)
      route.isOnLink = true
      route.source = "10.5.1.1"
      tables.routes.insert(route)
      tables.neighbours.insert(NeighbourSpec(base, mac: mac, on: "vx0", .host))
      tables.fdbEntries.insert(FDBSpec(mac, on: "vx0", in: .tunnel(to: vtep)))
    }
    return tables
  }

  @Test func `a VXLAN device is created with every setting`() throws {
    let (link, found, below) = try Self.onHost { host in
      let found = try differences(from: Change.createLink(Self.spec), on: &host.kernel)
      return (try host.kernel.link("vx0", on: .host), found, try host.kernel.link("eth9", on: .host))
    }
    #expect(link?.kind == "vxlan" && link?.mtu == 1450 && link?.mac == "02:11:22:33:44:55")
    #expect(found == [])
    #expect(link?.parentIndex == below?.index)
    #expect(link?.vxlan?.df == .set && link?.vxlan?.ttl == 9 && link?.vxlan?.port == 4790)
  }

  @Test func `a VXLAN device with another port is reported as different`() throws {
    let found = try Self.onHost { host in
      var other = VXLAN(vni: 4097, port: 4789)
      other.learns = true
      return try differences(
        from: Change.createLink(LinkSpec("vx0", kind: .vxlan(other, over: nil))), on: &host.kernel)
    }
    #expect(found.count == 1)
    #expect(found.first?.contains("dstport 4790") == true && found.first?.contains("4789") == true)
  }

  @Test func `tunnel tables are changed and rolled back`() throws {
    let (first, second, back) = try Self.onHost { host in
      try host.kernel.apply(.setTunnelTables(Self.routed(2...4)))
      let first = try host.kernel.tunnelTables(like: TunnelTables(of: "vx0"))
      try host.apply(.setTunnelTables(Self.routed(3...6)))
      let second = try host.kernel.tunnelTables(like: TunnelTables(of: "vx0"))
      _ = host.rollBack()
      return (first, second, try host.kernel.tunnelTables(like: TunnelTables(of: "vx0")))
    }
    #expect(first == Self.routed(2...4))
    #expect(second == Self.routed(3...6))
    #expect(back == first)
  }

  @Test func `an update writes what differs, again without an error, and is rolled back`() throws {
    let update = TunnelTablesUpdate(from: Self.routed(2...4), to: Self.routed(3...6))
    let (found, left, back) = try Self.onHost { host in
      try host.kernel.apply(.setTunnelTables(Self.routed(2...4)))
      try host.apply(.updateTunnelTables(update))
      try host.apply(.updateTunnelTables(update))
      let found = try host.kernel.tunnelTables(like: TunnelTables(of: "vx0"))
      let left = try differences(from: Change.updateTunnelTables(update), on: &host.kernel)
      _ = host.rollBack()
      return (found, left, try host.kernel.tunnelTables(like: TunnelTables(of: "vx0")))
    }
    #expect(update.changes.count == 9)
    #expect(found == Self.routed(3...6))
    #expect(left == [])
    #expect(back == Self.routed(2...4))
  }

  /// The kernel refuses a route without `onlink` to a gateway that it cannot reach.
  @Test func `an update that the kernel refuses half-way is rolled back`() throws {
    let (error, back, leftovers) = try Self.onHost { host in
      try host.kernel.apply(.setTunnelTables(Self.routed(2...4)))
      var wanted = Self.routed(3...100)
      wanted.routes.insert(RouteSpec("10.7.0.0/24", via: "203.0.113.9", on: "vx0", .host))
      var error: KernelError?
      do throws(KernelError) {
        try host.apply(.updateTunnelTables(TunnelTablesUpdate(from: Self.routed(2...4), to: wanted)))
      } catch let refusal { error = refusal }
      let leftovers = host.rollBack()
      return (error, try host.kernel.tunnelTables(like: TunnelTables(of: "vx0")), leftovers)
    }
    #expect(error?.description.contains("add route 10.7.0.0/24 via 203.0.113.9") == true)
    #expect(back == Self.routed(2...4))
    #expect(leftovers == [])
  }

  @Test func `each of many routes has a metric of its own, and all of them are found and deleted`() throws {
    let many = Self.routed(2...250)
    var more = many
    for end in 0...99 {
      guard let subnet = IPPrefix("10.8.\(end).0/24") else { continue }
      var route = RouteSpec(subnet, via: subnet.first, on: "vx0", .host)
      route.isOnLink = true
      more.routes.insert(route)
    }
    let (few, metrics, found, empty) = try Self.onHost { [more] host in
      try host.kernel.apply(.setTunnelTables(many))
      let few = Set(try host.kernel.routes(of: "vx0", on: .host).map(\.priority))
      try host.kernel.apply(.setTunnelTables(TunnelTables(of: "vx0")))
      try host.kernel.apply(.setTunnelTables(more))
      let metrics = Set(try host.kernel.routes(of: "vx0", on: .host).map(\.priority))
      let found = try host.kernel.tunnelTables(like: more)
      try host.kernel.apply(.setTunnelTables(TunnelTables(of: "vx0")))
      return (few, metrics, found, try host.kernel.tunnelTables(like: more))
    }
    #expect(few == [nil])
    #expect(metrics.count == 349)
    #expect(found == more)
    #expect(empty == TunnelTables(of: "vx0"))
  }

  @Test func `the digest of tables in the kernel is that of the wanted ones`() throws {
    let (routed, flooding, changed) = try Self.onHost { host in
      try host.kernel.apply(.changeLink("vx0", on: .host, LinkChange(master: "br0")))
      try host.kernel.apply(.setTunnelTables(Self.flooding(["192.0.2.2", "192.0.2.3"])))
      let flooding = try host.kernel.tunnelDigest(of: "vx0", neighboursOn: "br0")
      try host.kernel.apply(.setTunnelTables(TunnelTables(of: "vx0", neighboursOn: "br0")))
      try host.kernel.apply(.setTunnelTables(Self.routed(2...9)))
      let routed = try host.kernel.tunnelDigest(of: "vx0", neighboursOn: "vx0")
      try host.kernel.apply(.setNeighbour(NeighbourSpec("10.6.3.0", mac: "02:00:00:00:00:99", on: "vx0", .host)))
      return (routed, flooding, try host.kernel.tunnelDigest(of: "vx0", neighboursOn: "vx0"))
    }
    #expect(routed == TunnelDigest(of: Self.routed(2...9)))
    #expect(flooding == TunnelDigest(of: Self.flooding(["192.0.2.2", "192.0.2.3"])))
    #expect(changed.count == routed.count && changed != routed)
  }

  /// The tables of one other host, each with one field different, and those of one with IPv6.
  private static var variants: [TunnelTables] {
    func tables(
      to subnet: IPPrefix = "10.6.2.0/24", via gateway: IPAddress = "10.6.2.0", from source: IPAddress? = "10.5.1.1",
      neighbour: IPAddress = "10.6.2.0", _ mac: MACAddress = "02:00:00:00:00:02",
      tunnel: MACAddress = "02:00:00:00:00:02", end vtep: IPAddress = "192.0.2.2"
    ) -> TunnelTables {
      var tables = TunnelTables(of: "vx0")
      var route = RouteSpec(subnet, via: gateway, on: "vx0", .host)
      route.isOnLink = true
      route.source = source
      tables.routes = [route]
      tables.neighbours = [NeighbourSpec(neighbour, mac: mac, on: "vx0", .host)]
      tables.fdbEntries = [FDBSpec(tunnel, on: "vx0", in: .tunnel(to: vtep))]
      return tables
    }
    return [
      tables(), tables(to: "10.6.2.0/25"), tables(to: "10.6.3.0/24"), tables(via: "10.6.2.1"), tables(from: nil),
      tables(neighbour: "10.6.2.1"), tables("02:00:00:00:00:03"), tables("03:00:00:00:00:02"),
      tables(tunnel: "02:00:00:00:00:03"), tables(end: "192.0.2.3"),
      tables(to: "fd00:6:2::/64", via: "fd00:6:2::", from: nil, neighbour: "fd00:6:2::"),
      tables(to: "fd00:6:2::/64", via: "fd00:6:2::", from: nil, neighbour: "fd01:6:2::"),
    ]
  }

  @Test func `every field of an entry in the kernel changes the digest`() throws {
    let variants = Self.variants
    let found = try Self.onHost { host in
      try host.kernel.apply(.addAddress(AddressSpec("fd00:6:1::/128", on: "vx0", .host)))
      return try variants.map { tables in
        try host.kernel.apply(.setTunnelTables(tables))
        return try host.kernel.tunnelDigest(of: "vx0", neighboursOn: "vx0")
      }
    }
    #expect(found == variants.map(TunnelDigest.init(of:)))
    #expect(Set(found.map(\.sum)).count == found.count)
  }

  @Test func `IPv6 tunnel tables are set, and setting them again changes nothing`() throws {
    let (again, empty) = try Self.onHost { host in
      var wanted = TunnelTables(of: "vx0")
      var route = RouteSpec("fd00:6:2::/64", via: "fd00:6:2::", on: "vx0", .host)
      route.isOnLink = true
      wanted.routes = [route]
      wanted.neighbours = [NeighbourSpec("fd00:6:2::", mac: "02:00:00:00:00:02", on: "vx0", .host)]
      try host.kernel.apply(.addAddress(AddressSpec("fd00:6:1::/128", on: "vx0", .host)))
      try host.kernel.apply(.setTunnelTables(wanted))
      let again = wanted.changes(from: try host.kernel.tunnelTables(like: wanted))
      try host.kernel.apply(.setTunnelTables(TunnelTables(of: "vx0")))
      return (again, try host.kernel.tunnelTables(like: wanted))
    }
    #expect(again == [])
    #expect(empty == TunnelTables(of: "vx0"))
  }

  @Test func `a changed VTEP replaces the FDB entry`() throws {
    let found = try Self.onHost { host in
      try host.kernel.apply(.setTunnelTables(Self.routed(2...3)))
      var moved = Self.routed(3...3)
      moved.fdbEntries = [FDBSpec("02:00:00:00:00:03", on: "vx0", in: .tunnel(to: "192.0.2.77"))]
      try host.kernel.apply(.setTunnelTables(moved))
      return (try host.kernel.tunnelTables(like: moved), moved)
    }
    #expect(found.0 == found.1)
  }

  private static func flooding(_ ends: [IPAddress]) -> TunnelTables {
    var tables = TunnelTables(of: "vx0", neighboursOn: "br0")
    tables.fdbEntries = Set(ends.map { FDBSpec("00:00:00:00:00:00", on: "vx0", in: .tunnel(to: $0)) })
    tables.fdbEntries.insert(FDBSpec("02:00:00:00:00:77", on: "vx0", in: .tunnel(to: "192.0.2.7")))
    tables.fdbEntries.insert(FDBSpec("02:00:00:00:00:77", on: "vx0", in: .master))
    tables.neighbours = [NeighbourSpec("10.5.1.77", mac: "02:00:00:00:00:77", on: "br0", .host)]
    return tables
  }

  @Test func `broadcast frames go to each given VTEP`() throws {
    let found = try Self.onHost { host in
      let port = BridgePort(learning: false, neighSuppress: true)
      try host.kernel.apply(.changeLink("vx0", on: .host, LinkChange(master: "br0", port: port)))
      try host.kernel.apply(.setTunnelTables(Self.flooding(["192.0.2.2", "192.0.2.3", "192.0.2.4"])))
      let first = try host.kernel.tunnelTables(like: Self.flooding([]))
      try host.kernel.apply(.setTunnelTables(Self.flooding(["192.0.2.4", "192.0.2.5"])))
      return (first, try host.kernel.tunnelTables(like: Self.flooding([])))
    }
    #expect(found.0 == Self.flooding(["192.0.2.2", "192.0.2.3", "192.0.2.4"]))
    #expect(found.1 == Self.flooding(["192.0.2.4", "192.0.2.5"]))
  }

  @Test func `direct routes are recognised by their metric`() throws {
    let found = try Self.onHost { host in
      var tables = TunnelTables(of: "vx0")
      tables.directMetric = 1 << 30
      var route = RouteSpec("10.6.9.0/24", via: "192.0.2.9", on: "eth9", .host)
      try host.kernel.apply(.addRoute(route))
      route.dst = "10.6.8.0/24"
      route.priority = 1 << 30
      tables.directRoutes = [route]
      try host.kernel.apply(.setTunnelTables(tables))
      let again = tables.changes(from: try host.kernel.tunnelTables(like: tables))
      tables.directRoutes = []
      try host.kernel.apply(.setTunnelTables(tables))
      return (again, try host.kernel.routes(of: "eth9", on: .host).map(\.dst))
    }
    #expect(found.0 == [])
    #expect(found.1 == ["10.6.9.0/24"])
  }

  @Test func `an FDB entry of a control plane stays on its port`() throws {
    let found = try Self.onHost { host in
      try host.kernel.apply(.changeLink("eth9", on: .host, LinkChange(master: "br0")))
      try host.kernel.apply(.awaitRunning("eth9"))
      try host.kernel.apply(.setFDB(FDBSpec("02:00:00:00:00:55", on: "eth9", in: .externallyLearned)))
      try host.kernel.apply(.setNeighbour(NeighbourSpec("10.5.1.55", mac: "02:00:00:00:00:55", on: "br0", .host)))
      return (try host.kernel.fdbEntries(of: "eth9"), try host.kernel.neighbours(of: "br0"))
    }
    #expect(found.0 == [FDBSpec("02:00:00:00:00:55", on: "eth9", in: .externallyLearned)])
    #expect(found.1 == [NeighbourSpec("10.5.1.55", mac: "02:00:00:00:00:55", on: "br0", .host)])
  }

  @Test func `rollback waits at most a second until the control plane withdraws an entry`() throws {
    let entry = FDBSpec("02:00:00:00:00:55", on: "eth9", in: .externallyLearned)
    let found = try Self.onHost { host in
      try host.apply(.awaitFDBRemoval(FDBSpec(entry.mac, on: "absent", in: .externallyLearned)))
      try host.kernel.apply(.changeLink("eth9", on: .host, LinkChange(master: "br0")))
      try host.apply(.awaitFDBRemoval(entry))
      try host.kernel.apply(.setFDB(entry))
      try host.apply(.awaitFDBRemoval(entry))
      return (try host.kernel.fdbEntries(of: "eth9"), host.undoStack)
    }
    #expect(found.0 == [entry] && found.1 == [])
  }

  @Test func `a VXLAN device changes its local address and keeps all other settings`() throws {
    let (before, moved, back) = try Self.onHost { host in
      let before = try host.kernel.link("vx0", on: .host)
      try host.apply(.changeLink("vx0", on: .host, LinkChange(local: "192.0.2.7")))
      let moved = try host.kernel.link("vx0", on: .host)
      let failures = host.rollBack()
      #expect(failures.isEmpty)
      return (before, moved, try host.kernel.link("vx0", on: .host))
    }
    var wanted = before
    wanted?.vxlan?.local = "192.0.2.7"
    #expect(moved == wanted && moved?.vxlan?.local == "192.0.2.7" && back == before)
  }

  @Test func `a path has link and source address, and a local address has no path`() throws {
    let found = try Self.onHost { host in
      (
        try host.kernel.path(to: "192.0.2.9"), try host.kernel.path(to: "192.0.2.1"),
        try host.kernel.path(to: "203.0.113.1"),
        try host.kernel.isHostAddress("192.0.2.1"), try host.kernel.isHostAddress("192.0.2.9")
      )
    }
    #expect(found.0?.link.name == "eth9" && found.0?.source == "192.0.2.1" && found.0?.gateway == nil)
    #expect(found.1 == nil && found.2 == nil)
    #expect(found.3 && !found.4)
  }

  @Test func `checksum offload is turned off and rolled back`() throws {
    let found = try Self.onHost { host in
      let before = try host.kernel.offloadsChecksums("vx0")
      try host.apply(.setChecksumOffload("vx0", isOn: false))
      let between = try host.kernel.offloadsChecksums("vx0")
      _ = host.rollBack()
      return (before, between, try host.kernel.offloadsChecksums("vx0"))
    }
    #expect(found.0 && !found.1 && found.2)
  }
}
