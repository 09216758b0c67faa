public import CNI
public import Kernel
public import NetTypes

/// Whether a container's interface accepts addresses and routes of router advertisements on its link.
public enum RouterAdvertisements: Equatable, Sendable {
  /// `accepted` and `ignored` are the key `acceptRA` with `true` and `false`.
  case accepted
  case ignored
  /// Ignored if IPAM gives addresses, because another host on the link could pose as a router.
  case ignoredWithAddresses
  /// The kernel's default, for an IPAM plugin that requests addresses on the link itself.
  case untouched

  public init(_ json: JSONReader) throws(CNIError) {
    if let isAccepted = try json.flag("acceptRA") {
      self = isAccepted ? .accepted : .ignored
    } else {
      let ipam = try json["ipam"]?.nonEmptyText("type").flatMap(PluginType.init)
      self = ipam?.needsLink == true ? .untouched : .ignoredWithAddresses
    }
  }

  /// The value of the sysctl `accept_ra`; `nil` leaves the kernel's default.
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
  /// Ignores router advertisements on a link of ours on the host.
  public static func ignoringRouters(_ link: InterfaceName) -> Sysctl {
    .conf(.v6, link, "accept_ra", "0", isOptional: true)
  }
}
