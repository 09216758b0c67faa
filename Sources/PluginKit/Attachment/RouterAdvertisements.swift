public import CNI
public import Kernel
public import NetTypes

/// Whether a container's interface takes what routers on its link advertise: addresses, routes.
public enum RouterAdvertisements: Equatable, Sendable {
  /// `"acceptRA": true`, `false`.
  case accepted
  case ignored
  /// Ignored where IPAM gives addresses: a neighbour could pose as a router.
  case ignoredWithAddresses
  /// As the kernel has it, where addresses are asked for on the link itself.
  case untouched

  public init(_ json: JSONReader) throws(CNIError) {
    if let isAccepted = try json.flag("acceptRA") {
      self = isAccepted ? .accepted : .ignored
    } else {
      let ipam = try json["ipam"]?.filledText("type").flatMap(PluginType.init)
      self = ipam?.needsLink == true ? .untouched : .ignoredWithAddresses
    }
  }

  /// The value of `accept_ra`; `nil`: the kernel's.
  func setting(hasAddresses: Bool) -> String? {
    switch self {
    case .accepted: "1"
    case .ignored: "0"
    case .ignoredWithAddresses: hasAddresses ? "0" : nil
    case .untouched: nil
    }
  }
}

extension Sysctl {
  /// Lets a link of ours on the host take no routers for its own.
  public static func ignoringRouters(_ link: InterfaceName) -> Sysctl {
    .conf(.v6, link, "accept_ra", "0", isOptional: true)
  }
}
