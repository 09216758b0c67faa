import Glibc
import Kernel
import NetTypes
import Netlink
import TestSupport
import Testing

@Suite(.needsKernel) struct ChangeTests {
  @Test func `one request makes a veth pair with its peer in the container`() throws {
    let links = try inFreshNamespace { path in
      var kernel = try LiveKernel.open(containerNamespace: path)
      try kernel.apply(attachment[0])
      try kernel.apply(attachment[2])
      return (try kernel.link("veth0", on: .host), try kernel.link("eth0", on: .container))
    }
    let (outside, inside) = (try #require(links.0), try #require(links.1))
    #expect(outside.kind == "veth" && inside.kind == "veth")
    #expect(outside.mac == "02:00:00:00:00:02" && inside.mac == "02:00:00:00:00:03")
    #expect(outside.mtu == 1400 && inside.mtu == 1400)
    #expect(outside.peerIndex == inside.index && inside.peerIndex == outside.index)
    #expect(!outside.isUp && !inside.isUp)
  }

  @Test func `one request attaches a port to the bridge, sets its alias and sets it up`() throws {
    let port = try inFreshNamespace { path in
      var kernel = try LiveKernel.open(containerNamespace: path)
      for change in attachment { try kernel.apply(change) }
      return (try kernel.link("veth0", on: .host), try kernel.link("br0", on: .host))
    }
    #expect(port.0?.master == port.1?.index)
    #expect(port.0?.alias == "cni:net/c1/eth0")
    #expect(port.0?.isUp == true && port.0?.isRunning == true)
    let settings = BridgePort(hairpin: false, isolated: false, learning: true, neighSuppress: false, locked: false)
    #expect(port.0?.port == settings)
  }

  @Test func `a bridge keeps its MAC address when a port with a lower one is added`() throws {
    let mac = try inFreshNamespace { path in
      var kernel = try LiveKernel.open(containerNamespace: path)
      for change in attachment { try kernel.apply(change) }
      try kernel.apply(.changeLink("veth0", on: .host, LinkChange(mac: "00:00:00:00:00:01")))
      return try kernel.link("br0", on: .host)?.mac
    }
    #expect(mac == "02:00:00:00:00:01")
  }

  @Test(arguments: [
    BridgePort(hairpin: true), BridgePort(isolated: true), BridgePort(learning: false), BridgePort(neighSuppress: true),
    BridgePort(locked: true),
  ])
  func `each setting of a port is set separately`(wanted: BridgePort) throws {
    let port = try inFreshNamespace { path in
      var kernel = try LiveKernel.open(containerNamespace: path)
      for change in attachment { try kernel.apply(change) }
      try kernel.apply(.changeLink("veth0", on: .host, LinkChange(port: wanted)))
      return try kernel.link("veth0", on: .host)?.port
    }
    var expected = BridgePort(hairpin: false, isolated: false, learning: true, neighSuppress: false, locked: false)
    expected.hairpin = wanted.hairpin ?? expected.hairpin
    expected.isolated = wanted.isolated ?? expected.isolated
    expected.learning = wanted.learning ?? expected.learning
    expected.neighSuppress = wanted.neighSuppress ?? expected.neighSuppress
    expected.locked = wanted.locked ?? expected.locked
    #expect(port == expected)
  }

  @Test func `routes keep every attribute`() throws {
    var route = RouteSpec("10.9.0.0/16", via: "10.1.0.1", on: "eth0", .container)
    route.mtu = 1300
    route.advmss = 1200
    route.priority = 77
    route.table = 1000
    let found = try inFreshNamespace { [route] path in
      var kernel = try LiveKernel.open(containerNamespace: path)
      for change in attachment { try kernel.apply(change) }
      try kernel.apply(.addAddress(AddressSpec("10.1.0.5/24", on: "eth0", .container)))
      try kernel.apply(.addRoute(route))
      return try kernel.routes(of: "eth0", on: .container)
    }
    route.scope = 0
    #expect(found == [route])
  }

  @Test func `a gateway outside every network is reached with onlink`() throws {
    var route = RouteSpec("0.0.0.0/0", via: "192.0.2.1", on: "eth0", .container)
    let add: @Sendable (RouteSpec) throws -> Int = { route in
      try inFreshNamespace { path in
        var kernel = try LiveKernel.open(containerNamespace: path)
        for change in attachment { try kernel.apply(change) }
        try kernel.apply(.addAddress(AddressSpec("10.1.0.5/32", on: "eth0", .container)))
        try kernel.apply(.addRoute(route))
        return try kernel.routes(of: "eth0", on: .container).count
      }
    }
    #expect(throws: KernelError.self) { try add(route) }
    route.isOnLink = true
    #expect(try add(route) == 1)
  }

  @Test func `the link of the default route is found, and nil without a default route`() throws {
    let found = try inFreshNamespace { path in
      var kernel = try LiveKernel.open(containerNamespace: path)
      let before = try kernel.defaultRouteLink(.v4, on: .container)
      for change in attachment { try kernel.apply(change) }
      for (address, route) in [("10.1.0.5/24", "0.0.0.0/0"), ("fd00:1::5/64", "::/0")] as [(IPPrefix, IPPrefix)] {
        try kernel.apply(.addAddress(AddressSpec(address, on: "eth0", .container)))
        try kernel.apply(.addRoute(RouteSpec(route, via: address.first.advanced(by: 1), on: "eth0", .container)))
      }
      return (
        before, try kernel.defaultRouteLink(.v4, on: .container), try kernel.defaultRouteLink(.v6, on: .container)
      )
    }
    #expect(found.0 == nil)
    #expect(found.1?.name == "eth0" && found.2?.name == "eth0")
  }

  @Test func `sysctls are set in the container, and the thread returns to the host's namespace`() throws {
    let values = try inFreshNamespace { path in
      var kernel = try LiveKernel.open(containerNamespace: path)
      let setting = Sysctl("net/ipv4/conf/all/arp_notify", "1")
      let missing = Sysctl("net/ipv4/conf/nothere/arp_notify", "1", isOptional: true)
      try kernel.apply(.setSysctls([setting, missing], on: .container))
      return [try kernel.sysctl(setting.key, on: .container), try kernel.sysctl(setting.key, on: .host)]
    }
    #expect(values == ["1", "0"])
  }

  @Test func `only bridges without ports are removed as unused`() throws {
    let links = try inFreshNamespace { path in
      var kernel = try LiveKernel.open(containerNamespace: path)
      for change in attachment { try kernel.apply(change) }
      try kernel.apply(.deleteUnusedBridge("br0"))
      let kept = try kernel.link("br0", on: .host) != nil
      try kernel.apply(.deleteLink("veth0", on: .host))
      try kernel.apply(.deleteUnusedBridge("br0"))
      return [kept, try kernel.link("br0", on: .host) == nil, try kernel.link("eth0", on: .container) == nil]
    }
    #expect(links == [true, true, true])
  }

  @Test func `a bridge has its alias and group from the start, also after a killed ADD`() throws {
    let spec = LinkSpec("br7", kind: .bridge(filtersVLANs: false), group: 7, alias: "cni:net/")
    let (bridge, names, error) = try inFreshNamespace { path in
      var kernel = try LiveKernel.open(containerNamespace: path)
      try kernel.apply(.createLink(LinkSpec(spec.name.temporaryName, kind: .bridge(filtersVLANs: false))))
      try kernel.apply(.createLink(spec))
      let bridge = try kernel.link("br7", on: .host)
      let error = #expect(throws: KernelError.self) { try kernel.apply(.createLink(spec)) }
      return (bridge, try kernel.allLinks(on: .host).map(\.name).sorted { "\($0)" < "\($1)" }, error)
    }
    #expect(bridge?.alias == "cni:net/" && bridge?.group == 7)
    #expect(names == ["br7", "lo"])
    #expect(error?.errno == .EEXIST)
  }
}
