import CNI
import Kernel
import NetTypes
import TestSupport
import Testing
@testable import PluginKit

@Suite struct DefaultRouteOrderTests {
  private static let firstMetric = 1 << 22

  private func network(_ name: String) throws -> NetworkName { try #require(NetworkName(name)) }

  private func route(_ interface: InterfaceName, _ family: IPFamily = .v4, metric: Int? = nil) -> RouteSpec {
    var route = RouteSpec(
      .everything(family), via: family == .v4 ? "10.0.0.1" : "fd00::1", on: interface, .container)
    route.priority = metric
    return route
  }

  /// The interfaces in the order of their final metrics.
  private func order(_ own: [RouteSpec], of name: String, among others: [DefaultRoute]) throws -> [InterfaceName] {
    var routes = others.map(\.route)
    for change in own.map(Change.addRoute).ordered(with: others, of: try network(name)) {
      switch change {
      case .addRoute(let route): routes.append(route)
      case .deleteRoute(let route): routes.removeAll { $0 == route }
      default: Issue.record("\(change)")
      }
    }
    return routes.sorted { ($0.priority ?? 0) < ($1.priority ?? 0) }.map(\.interface)
  }

  @Test(arguments: [IPFamily.v4, .v6])
  func `a single network keeps its metric`(family: IPFamily) throws {
    let changes = [Change.addRoute(route("eth0", family)), .addRoute(route("eth0", family, metric: 7))]
    #expect(changes.ordered(with: [], of: try network("a")) == changes)
  }

  @Test func `changes without a default route stay unchanged`() throws {
    let changes = [Change.addRoute(RouteSpec("10.9.0.0/16", via: "10.0.0.1", on: "eth0", .container))]
    let other = DefaultRoute(route("eth1"), of: "b", isDualStack: false)
    #expect(changes.ordered(with: [other], of: try network("a")) == changes)
  }

  @Test(arguments: [IPFamily.v4, .v6])
  func `the highest priority has the lowest metric, absent counts as 0`(family: IPFamily) throws {
    // The kernel gives IPv6 routes without a metric the metric 1024.
    let absent = family == .v4 ? nil : 1024
    let others = [
      DefaultRoute(route("eth1", family, metric: absent), of: "b", isDualStack: false),
      DefaultRoute(route("eth2", family, metric: 100 - 20), of: "c", isDualStack: false),
      DefaultRoute(route("eth3", family, metric: 100 + 5), of: "d", isDualStack: false),
    ]
    #expect(
      try order([route("eth0", family, metric: 100 - 10)], of: "a", among: others) == ["eth2", "eth0", "eth1", "eth3"])
    #expect(try order([route("eth0", family)], of: "a", among: others) == ["eth2", "eth0", "eth1", "eth3"])
    #expect(try order([route("eth0", family)], of: "c", among: others) == ["eth2", "eth1", "eth0", "eth3"])
  }

  @Test func `a dual-stack network comes before a single-stack network of the same priority`() throws {
    let others = [DefaultRoute(route("eth1"), of: "a", isDualStack: false)]
    let v4 = [Change.addRoute(route("eth0")), .addRoute(route("eth0", .v6))].ordered(with: others, of: try network("b"))
    #expect(v4.first == .addRoute(route("eth0", metric: Self.firstMetric + 100_000)))
    #expect(v4.contains(.addRoute(route("eth1", metric: Self.firstMetric + 100_001))))
    #expect(v4.contains(.deleteRoute(route("eth1"))))
    // No other network has IPv6, so this network's IPv6 route gets the first metric.
    #expect(v4.contains(.addRoute(route("eth0", .v6, metric: Self.firstMetric + 100_000))))
  }

  @Test func `the priority is read back from the metric of an earlier ADD`() throws {
    for priority in [-1_000_000, -924, -1, 0, 1, 99] {
      let written = DefaultRoute(route("eth0", metric: 100 - priority), of: "a", isDualStack: false)
      #expect(written.priority == priority)
      for rank in [0, 1, 999, 5000] {
        let again = DefaultRoute(route("eth0", metric: written.metric(rank: rank)), of: "a", isDualStack: false)
        #expect(again.priority == priority)
        #expect(written.metric(rank: rank) < Int(UInt32.max))
      }
    }
  }

  @Test func `RA routes, routes of other tables and routes of foreign links keep their metrics`() throws {
    var kernel = FakeKernel()
    for (name, alias) in [("eth0", "cni:a/c/eth0"), ("eth1", "cni:b/c/eth1"), ("lan", nil)] {
      let interface = try #require(InterfaceName(name))
      kernel.addLink(interface, on: .container, kind: "macvlan")
      kernel.state.links[.container]?[interface]?.alias = alias
      kernel.state.routes.append(route(interface))
    }
    var learnt = route("eth1", .v6)
    learnt.isLearnt = true
    var ofTable = route("eth1", metric: 5)
    ofTable.table = 100
    kernel.state.routes += [learnt, ofTable]
    let found = try kernel.defaultRoutes(except: "eth0")
    #expect(found == [DefaultRoute(route("eth1"), of: "b", isDualStack: false)])
  }
}
