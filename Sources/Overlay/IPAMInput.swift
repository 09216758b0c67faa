public import CNI
import NetTypes

extension OverlayInput {
  /// The configuration for the IPAM plugin, with this host's subnets as `ipam.ranges`.
  ///
  /// Only in mode l3, for host-local without `subnet` and `ranges`. Otherwise `nil`: the plugin gets the configuration
  /// unchanged.
  public var ipamInput: JSONValue? {
    guard (try? config.checkedMode()) == .l3, !controlState.ownSubnets.isEmpty, let type = config.ipam?.description,
      Self.typesWithOwnSubnets.contains(type), var configuration = config.document.object,
      let (key, value) = config.document.member("ipam"), var ipam = value.object,
      !["subnet", "ranges"].contains(where: { value.member($0).map { $0.value != .null } ?? false })
    else { return nil }
    ipam["ranges"] = .array(controlState.ownSubnets.map { .array([.object(["subnet": .string($0.description)])]) })
    configuration[key] = .object(ipam)
    return .object(configuration)
  }

  private static let typesWithOwnSubnets: Set<String> = ["host-local", "ipam-host-local"]
}
