public import CNI
import NetTypes

extension OverlayConfig {
  /// The configuration for the IPAM plugin, with this host's subnets as `ipam.ranges`.
  ///
  /// `nil`: the IPAM plugin gets the configuration unchanged. Only in mode l3, for host-local without `subnet` and `ranges`.
  public var ipamInput: JSONValue? {
    guard (try? checkedMode()) == .l3, let subnets = localEndpoint?.controlState.ownSubnets, !subnets.isEmpty,
      let type = ipam?.description, Self.handOutOwnSubnets.contains(type), var whole = document.object,
      let (key, value) = document.member("ipam"), var ipam = value.object,
      !["subnet", "ranges"].contains(where: { value.member($0).map { $0.value != .null } ?? false })
    else { return nil }
    ipam["ranges"] = .array(subnets.map { .array([.object(["subnet": .string($0.description)])]) })
    whole[key] = .object(ipam)
    return .object(whole)
  }

  private static let handOutOwnSubnets: Set<String> = ["host-local", "ipam-host-local"]
}
