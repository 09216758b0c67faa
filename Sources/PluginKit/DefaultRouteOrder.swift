import CNI
import Kernel
import NetTypes

/// A default route of a container, with its network.
struct DefaultRoute: Equatable {
  var route: RouteSpec
  var network: String
  /// Whether the network has a default route of the other family as well.
  var isDualStack: Bool
  /// `gwPriority`; 0 if absent.
  var priority: Int

  init(_ route: RouteSpec, of network: String, isDualStack: Bool) {
    self.route = route
    self.network = network
    self.isDualStack = isDualStack
    priority = Self.priority(route)
  }

  /// The first metric for containers on several networks; all are below `AttachmentID.numericIDs`.
  private static let firstMetric = 1 << 22
  private static let metricsOfPriority = 1000

  /// The metric for a rank among the default routes of a family; the kernel uses the lowest one.
  func metric(rank: Int) -> Int {
    Self.firstMetric + (100 - priority) * Self.metricsOfPriority + min(rank, Self.metricsOfPriority - 1)
  }

  /// The `gwPriority` for a route's metric; IPv6 routes without a metric get 1024 from the kernel.
  private static func priority(_ route: RouteSpec) -> Int {
    guard let metric = route.priority, metric > 0, route.dst.family == .v4 || metric != 1024 else { return 0 }
    return 100 - (metric < firstMetric ? metric : (metric - firstMetric) / metricsOfPriority)
  }

  /// Docker's order: by priority, then networks with both families first, then by name.
  ///
  /// Internal networks have no default route, so they do not matter here.
  func precedes(_ other: DefaultRoute) -> Bool {
    if priority != other.priority { return priority > other.priority }
    if isDualStack != other.isDualStack { return isDualStack }
    return network < other.network
  }
}

extension [Change] {
  /// These changes, with default routes in order with the container's default routes of other networks.
  ///
  /// The order is kept in the metrics, so that the kernel uses the next route if a link is removed.
  func ordered(with others: [DefaultRoute], of network: NetworkName) -> [Change] {
    let own = compactMap { $0.defaultRoute }
    guard !own.isEmpty, !others.isEmpty else { return self }
    let isDualStack = Set(own.map { $0.dst.family }).count > 1
    var changes = self
    for family in IPFamily.allCases {
      let candidates = own.map { DefaultRoute($0, of: network.description, isDualStack: isDualStack) } + others
      let order = candidates.filter { $0.route.dst.family == family }.sorted { $0.precedes($1) }
      guard order.contains(where: { own.contains($0.route) }) else { continue }
      for (rank, candidate) in order.enumerated() {
        let before = candidate.route
        var after = before
        after.priority = candidate.metric(rank: rank)
        if let index = changes.firstIndex(of: .addRoute(before)) {
          changes[index] = .addRoute(after)
        } else if after != before {
          changes += [.addRoute(after), .deleteRoute(before)]
        }
      }
    }
    return changes
  }
}

extension Change {
  /// The default route in the container's main table that the change adds.
  fileprivate var defaultRoute: RouteSpec? {
    if case .addRoute(let route) = self, route.isMainDefault { route } else { nil }
  }

  var addsDefaultRoute: Bool { defaultRoute != nil }
}

extension RouteSpec {
  /// Whether it is a default route in the container's main table (254).
  fileprivate var isMainDefault: Bool { netns == .container && dst.length == 0 && (table ?? 254) == 254 }
}

extension Kernel where Self: ~Copyable {
  /// The default routes that ADD added to the container through other interfaces.
  ///
  /// Routes of router advertisements and routing daemons are left out: the kernel or the daemon would add them again.
  mutating func defaultRoutes(except interface: InterfaceName) throws(KernelError) -> [DefaultRoute] {
    var found: [DefaultRoute] = []
    for link in try allLinks(on: .container) where link.name != interface && !link.isLoopback {
      let routes = try routes(of: link.name, on: .container).filter { $0.isMainDefault && !$0.isLearnt }
      guard !routes.isEmpty, let network = try networkName(of: link) else { continue }
      let isDualStack = Set(routes.map { $0.dst.family }).count > 1
      found += routes.map { DefaultRoute($0, of: network, isDualStack: isDualStack) }
    }
    return found
  }

  /// The network in the alias of a container's link or of its veth peer on the host; `nil` if it is not ours.
  private mutating func networkName(of link: LinkInfo) throws(KernelError) -> String? {
    let end: LinkInfo? =
      if link.kind == "veth", let peer = link.peerIndex { try self.link(index: peer, on: .host) } else { nil }
    for alias in [link.alias, end?.alias].compactMap({ $0 }) {
      let parts = alias.split(separator: "/", omittingEmptySubsequences: false)
      guard alias.hasPrefix(AttachmentID.tagPrefix), parts.count == 3, parts[2] == link.name.description else {
        continue
      }
      return String(parts[0].dropFirst(AttachmentID.tagPrefix.count))
    }
    return nil
  }
}
