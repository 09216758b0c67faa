import CNetlink
import Glibc
import Kernel
import NetTypes

extension NetlinkSocket {
  /// Routes through one link, in all tables, without those that the kernel made by itself.
  borrowing func routes(of link: LinkInfo, on netns: NetNS) throws(KernelError) -> [RouteSpec] {
    var found: [RouteSpec] = []
    for family in IPFamily.allCases {
      found += try dump(.routes(of: link, family)).compactMap { Route($0)?.spec(on: link.name, netns) }
    }
    return found
  }

  /// Adds what `routes` lists of the host to the digest.
  borrowing func digest(_ start: TunnelDigest, routesOf link: LinkInfo) throws(KernelError) -> TunnelDigest {
    var digest = start
    for family in IPFamily.allCases {
      digest = try fold(.routes(of: link, family), into: digest) { digest, type, payload in
        if let route = Route(type, payload), !route.isKernelMade {
          digest.add(routeTo: route.dst, via: route.gateway, from: route.source)
        }
      }
    }
    return digest
  }

  /// The index of the link of the default route, found by route lookups for outside addresses (as `ip route get` does).
  borrowing func defaultRouteLink(_ family: IPFamily) throws(KernelError) -> Int32? {
    // Several addresses, because each of them may have a more specific route.
    let outside = family == .v4 ? ["1.1.1.1", "9.9.9.9", "198.41.0.4"] : ["2001:500:2::c", "2620:fe::fe", "2a00::1"]
    for address in outside.compactMap(IPAddress.init) {
      var header = rtmsg()
      header.rtm_family = family.number
      header.rtm_dst_len = UInt8(family.bitWidth)
      header.rtm_flags = UInt32(RTM_F_FIB_MATCH)
      let request = try Request(RTM_GETROUTE, 0, header, doing: "look up the default route")
      request.put(Int(RTA_DST.rawValue), bytes: address.bytes)
      do throws(KernelError) {
        if let route = try ask(request).flatMap(Route.init), route.dst.length == 0 { return route.link }
      } catch {
        // If one of them is unreachable, there is no default route.
        if error.errno == .ENETUNREACH { return nil }
        guard error.errno.isOne(of: .EHOSTUNREACH, .EACCES, .EINVAL) else { throw error }
      }
    }
    return nil
  }

  /// The index of the link for packets to that address; `nil` if there is no route or the address is the host's own.
  borrowing func outgoingLinkIndex(to address: IPAddress) throws(KernelError) -> Int32? {
    guard let answer = try route(to: address), answer.type == RTM_NEWROUTE else { return nil }
    guard answer.payload.integer(at: 7, as: UInt8.self) == UInt8(RTN_UNICAST) else { return nil }
    return answer.attributes(after: MemoryLayout<rtmsg>.size).integer(Int(RTA_OIF.rawValue))
  }

  /// Whether that address belongs to this namespace itself.
  borrowing func isLocal(_ address: IPAddress) throws(KernelError) -> Bool {
    try route(to: address)?.payload.integer(at: 7, as: UInt8.self) == UInt8(RTN_LOCAL)
  }

  /// The kernel's route for a packet to that address, as `ip route get` shows it; `nil` if it would reject the packet.
  private borrowing func route(to address: IPAddress) throws(KernelError) -> Message? {
    var header = rtmsg()
    header.rtm_family = address.family.number
    header.rtm_dst_len = UInt8(address.family.bitWidth)
    let request = try Request(RTM_GETROUTE, 0, header, doing: "look up the route to \(address)")
    request.put(Int(RTA_DST.rawValue), bytes: address.bytes)
    return try ask(request, absent: [.ENETUNREACH, .EHOSTUNREACH, .EACCES, .EINVAL])
  }

  /// The path of packets to that address; `nil` if there is no route or the address is the namespace's own.
  ///
  /// `links` are those that were looked up before, by index.
  borrowing func path(to address: IPAddress, _ links: inout [Int32: LinkInfo]) throws(KernelError) -> RoutePath? {
    guard let answer = try route(to: address), let route = Route(answer), let index = route.link else { return nil }
    let known = links[index]
    guard let link = if let known { known } else { try link(index: index) } else { return nil }
    links[index] = link
    return RoutePath(link, gateway: route.gateway, source: route.source, mtu: route.mtu)
  }

  /// Routes of the main table with that metric.
  borrowing func routes(metric: Int) throws(KernelError) -> [RouteSpec] {
    var found: [RouteSpec] = []
    for family in IPFamily.allCases {
      var header = rtmsg()
      header.rtm_family = family.number
      header.rtm_table = UInt8(RT_TABLE_MAIN.rawValue)
      let request = try Request(RTM_GETROUTE, Int32(NLM_F_DUMP), header, doing: "list routes with metric \(metric)")
      request.put(Int(RTA_TABLE.rawValue), UInt32(RT_TABLE_MAIN.rawValue))
      for route in try dump(request).compactMap(Route.init) where route.priority == metric {
        guard let index = route.link, let link = try link(index: index) else { continue }
        if let spec = route.spec(on: link.name, .host) { found.append(spec) }
      }
    }
    return found
  }

  /// Whether the link accepts packets to that address, which is its own: whether the kernel has its local route.
  borrowing func hasLocalRoute(to address: IPAddress, link index: Int32) throws(KernelError) -> Bool {
    var header = rtmsg()
    header.rtm_family = address.family.number
    header.rtm_dst_len = UInt8(address.family.bitWidth)
    let request = try Request(RTM_GETROUTE, 0, header, doing: "look up the route to \(address)")
    request.put(Int(RTA_DST.rawValue), bytes: address.bytes)
    request.put(Int(RTA_OIF.rawValue), index)
    let answer = try ask(request, absent: [.ENETUNREACH, .EHOSTUNREACH, .EACCES, .EINVAL])
    return answer?.payload.integer(at: 7, as: UInt8.self) == UInt8(RTN_LOCAL)
  }

  /// The destinations of all routes in the main table.
  borrowing func routedPrefixes(_ family: IPFamily) throws(KernelError) -> [IPPrefix] {
    var header = rtmsg()
    header.rtm_family = family.number
    header.rtm_table = UInt8(RT_TABLE_MAIN.rawValue)
    let request = try Request(RTM_GETROUTE, Int32(NLM_F_DUMP), header, doing: "list routes")
    request.put(Int(RTA_TABLE.rawValue), UInt32(RT_TABLE_MAIN.rawValue))
    return try dump(request).compactMap { Route($0)?.dst }
  }
}

extension Request {
  fileprivate static func routes(of link: LinkInfo, _ family: IPFamily) throws(KernelError) -> Request {
    var header = rtmsg()
    header.rtm_family = family.number
    let request = try Request(RTM_GETROUTE, Int32(NLM_F_DUMP), header, doing: "list routes of \(link.name)")
    request.put(Int(RTA_OIF.rawValue), link.index)
    return request
  }

  fileprivate func putRoute(_ spec: RouteSpec, index: Int32) {
    put(Int(RTA_DST.rawValue), bytes: spec.dst.network.address.bytes)
    put(Int(RTA_OIF.rawValue), index)
    if let gateway = spec.gateway { put(Int(RTA_GATEWAY.rawValue), bytes: gateway.bytes) }
    if let source = spec.source { put(Int(RTA_PREFSRC.rawValue), bytes: source.bytes) }
    if let priority = spec.priority { put(Int(RTA_PRIORITY.rawValue), UInt32(clamping: priority)) }
    if let table = spec.table { put(Int(RTA_TABLE.rawValue), UInt32(clamping: table)) }
    guard spec.mtu != nil || spec.advmss != nil else { return }
    nest(Int(RTA_METRICS.rawValue)) {
      if let mtu = spec.mtu { put(Int(RTAX_MTU), UInt32(clamping: mtu)) }
      if let advmss = spec.advmss { put(Int(RTAX_ADVMSS), UInt32(clamping: advmss)) }
    }
  }
}

/// A unicast route as the kernel reports it.
private struct Route {
  var dst: IPPrefix
  var gateway: IPAddress?
  var source: IPAddress?
  var link: Int32?
  var priority: Int?
  var table: Int
  var scope: Int
  var isKernelMade: Bool
  var isLearnt: Bool
  var isOnLink: Bool
  var mtu: Int?
  var advmss: Int?

  init?(_ message: Message) { self.init(message.type, message.payload.span) }

  init?(_ type: Int, _ payload: Span<UInt8>) {
    guard type == RTM_NEWROUTE, payload.count >= MemoryLayout<rtmsg>.size, payload[7] == UInt8(RTN_UNICAST),
      let everything = IPPrefix(
        IPPrefix.everything(payload[0] == UInt8(AF_INET) ? .v4 : .v6).address, length: Int(payload[1]))
    else { return nil }
    dst = everything
    table = Int(payload[4])
    scope = Int(payload[6])
    isKernelMade = payload[5] == UInt8(RTPROT_KERNEL)
    isLearnt = payload[5] != UInt8(RTPROT_BOOT) && payload[5] != UInt8(RTPROT_STATIC)
    isOnLink = (payload.integer(at: 8, as: UInt32.self) ?? 0) & UInt32(RTNH_F_ONLINK) != 0
    payload.readAttributes(after: MemoryLayout<rtmsg>.size) { type, value in read(type, payload, value) }
  }

  private mutating func read(_ type: Int, _ payload: Span<UInt8>, _ value: Range<Int>) {
    var number: Int? { payload.integer(at: value, as: UInt32.self).map(Int.init) }
    switch type {
    case Int(RTA_DST.rawValue): dst = payload.address(at: value).flatMap { IPPrefix($0, length: dst.length) } ?? dst
    case Int(RTA_GATEWAY.rawValue): gateway = payload.address(at: value)
    case Int(RTA_PREFSRC.rawValue): source = payload.address(at: value)
    case Int(RTA_OIF.rawValue): link = payload.integer(at: value, as: Int32.self)
    // With several next hops, the first one is at the start of the list: length, flags, hops, then its link index.
    case Int(RTA_MULTIPATH.rawValue): link = link ?? payload.integer(at: value.dropFirst(4), as: Int32.self)
    case Int(RTA_PRIORITY.rawValue): priority = number
    case Int(RTA_TABLE.rawValue): table = number ?? table
    case Int(RTA_METRICS.rawValue): readMetrics(payload.extracting(value))
    default: break
    }
  }

  private mutating func readMetrics(_ metrics: Span<UInt8>) {
    metrics.readAttributes { type, value in
      let number = metrics.integer(at: value, as: UInt32.self).map(Int.init)
      if type == Int(RTAX_MTU) { mtu = number }
      if type == Int(RTAX_ADVMSS) { advmss = number }
    }
  }

  /// `nil` if the kernel made the route by itself.
  func spec(on interface: InterfaceName, _ netns: NetNS) -> RouteSpec? {
    guard !isKernelMade else { return nil }
    var spec = RouteSpec(dst, via: gateway, on: interface, netns)
    spec.priority = priority
    spec.table = table
    spec.scope = scope
    spec.isOnLink = isOnLink
    spec.source = source
    spec.isLearnt = isLearnt
    spec.mtu = mtu
    spec.advmss = advmss
    return spec
  }
}

extension Request {
  static func add(_ spec: RouteSpec, index: Int32) throws(KernelError) -> Request {
    // Neither NLM_F_EXCL nor NLM_F_REPLACE: a second default route goes in front of the first, as with the reference plugins.
    let request = try Request(
      RTM_NEWROUTE, Int32(NLM_F_CREATE), header(spec), doing: "\(Change.addRoute(spec))")
    request.putRoute(spec, index: index)
    return request
  }

  /// Adds a local route to ::1 on that link, so that the kernel accepts packets to ::1 that arrive on it.
  static func addLoopbackRoute(_ index: Int32, doing operation: String) throws(KernelError) -> Request {
    var header = rtmsg()
    header.rtm_family = IPFamily.v6.number
    header.rtm_dst_len = UInt8(IPFamily.v6.bitWidth)
    header.rtm_table = UInt8(RT_TABLE_LOCAL.rawValue)
    header.rtm_protocol = UInt8(RTPROT_BOOT)
    header.rtm_type = UInt8(RTN_LOCAL)
    let request = try Request(RTM_NEWROUTE, Int32(NLM_F_CREATE | NLM_F_EXCL), header, doing: operation)
    request.put(Int(RTA_DST.rawValue), bytes: IPAddress(v6: 1).bytes)
    request.put(Int(RTA_OIF.rawValue), index)
    return request
  }

  static func delete(_ spec: RouteSpec, index: Int32) throws(KernelError) -> Request {
    let request = try Request(RTM_DELROUTE, 0, header(spec), doing: "\(Change.deleteRoute(spec))")
    request.putRoute(spec, index: index)
    return request
  }

  private static func header(_ spec: RouteSpec) -> rtmsg {
    var header = rtmsg()
    header.rtm_family = spec.dst.family.number
    header.rtm_dst_len = UInt8(spec.dst.length)
    header.rtm_table = UInt8(clamping: spec.table ?? Int(RT_TABLE_MAIN.rawValue))
    header.rtm_protocol = UInt8(RTPROT_BOOT)
    header.rtm_type = UInt8(RTN_UNICAST)
    let defaultScope = spec.gateway == nil && spec.dst.family == .v4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE
    header.rtm_scope = UInt8(clamping: spec.scope ?? Int(defaultScope.rawValue))
    if spec.isOnLink { header.rtm_flags = UInt32(RTNH_F_ONLINK) }
    return header
  }
}
