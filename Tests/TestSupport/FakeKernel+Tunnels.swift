public import Kernel
public import NetTypes

extension FakeKernel {
  public func path(to address: IPAddress) -> RoutePath? {
    guard !isHostAddress(address) else { return nil }
    let way = gateways[address]
    let own = state.addresses.first { spec in
      spec.netns == .host && way.map { $0.link == spec.interface } ?? spec.prefix.contains(address)
    }
    guard let own, let link = link(own.interface, on: .host) else { return nil }
    return RoutePath(link, gateway: way?.gateway, source: own.prefix.address)
  }

  public func isHostAddress(_ address: IPAddress) -> Bool {
    state.addresses.contains { $0.netns == .host && $0.prefix.address == address }
  }

  public func hostRoutes(metric: Int) -> [RouteSpec] {
    state.routes.filter { $0.netns == .host && $0.priority == metric }
  }

  public func neighbours(of interface: InterfaceName) throws(KernelError) -> [NeighbourSpec] {
    guard link(interface, on: .host) != nil else {
      throw KernelError("neighbours", errno: .ENODEV, reason: "no such device")
    }
    if let refusal = neighboursRefusal { throw refusal }
    return state.neighbours.filter { $0.interface == interface && $0.netns == .host && $0.mac != nil }
  }

  public func fdbEntries(of interface: InterfaceName) throws(KernelError) -> [FDBSpec] {
    guard link(interface, on: .host) != nil else {
      throw KernelError("forwarding", errno: .ENODEV, reason: "no such device")
    }
    return state.forwarding.filter { $0.interface == interface }
  }

  public func offloadsChecksums(_ interface: InterfaceName) -> Bool {
    !state.withoutChecksumOffload.contains(interface)
  }
}

extension NeighbourSpec {
  /// The kernel finds an entry by its IP address, whatever its MAC address.
  func isSameEntry(as other: NeighbourSpec) -> Bool {
    address == other.address && interface == other.interface && netns == other.netns
      && (mac == nil) == (other.mac == nil)
  }
}

extension FDBSpec {
  /// The kernel finds an entry by its MAC address, whatever its destination.
  func isSameEntry(as other: FDBSpec) -> Bool {
    guard mac == other.mac, interface == other.interface else { return false }
    if case .tunnel = table, case .tunnel = other.table { return true }
    return false
  }
}
