import NetTypes

/// Equals `ip route add`.
struct AddRoute: CustomStringConvertible {
  let spec: RouteSpec

  var description: String { "add route \(spec)" }

  func inverse<K: Kernel & ~Copyable>(in transaction: inout Transaction<K>) throws(KernelError) -> [Change] {
    transaction.isOurs(spec.interface, on: spec.netns) ? [] : [.deleteRoute(spec)]
  }

  func differences<K: Kernel & ~Copyable>(on kernel: inout K) throws(KernelError) -> [String] {
    let actual = try nilIfLinkMissing { () throws(KernelError) in try kernel.routes(of: spec.interface, on: spec.netns)
    }
    return actual?.contains(where: spec.matches) == true ? [] : ["\(spec.netns) route \(spec.summary) is missing"]
  }
}

/// Equals `ip route delete`.
struct DeleteRoute: CustomStringConvertible {
  let spec: RouteSpec

  var description: String { "delete route \(spec)" }

  func inverse<K: Kernel & ~Copyable>(in transaction: inout Transaction<K>) throws(KernelError) -> [Change] {
    [.addRoute(spec)]
  }
}

/// Equals `ip -6 route add local ::1 dev NAME table local`; other attachments may need it by now, so it has no inverse.
struct AddLoopbackRoute: CustomStringConvertible {
  let name: InterfaceName

  var description: String { "add route local ::1 on \(name)" }
}

extension RouteSpec: CustomStringConvertible {
  public var description: String {
    "\(dst)\(gateway.map { " via \($0)" } ?? "") on \(interface)\(netns.suffix)"
  }
}

extension RouteSpec {
  /// Whether `other`, as the kernel reports it, is this route; attributes that are `nil` here may have any value.
  fileprivate func matches(_ other: RouteSpec) -> Bool {
    func agrees<Value: Equatable>(_ wanted: Value?, _ actual: Value?) -> Bool { wanted == nil || wanted == actual }
    // The container's other networks determine the metrics of its default routes.
    let agreesOnMetric = netns == .container && dst.length == 0 || agrees(priority, other.priority)
    return dst.network == other.dst.network && gateway == other.gateway && agreesOnMetric
      && agrees(table, other.table) && agrees(source, other.source)
  }

  fileprivate var summary: String { "\(dst)\(gateway.map { " via \($0)" } ?? "") on \(interface)" }
}
