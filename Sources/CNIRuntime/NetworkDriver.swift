extension NetworkRequest {
  /// Networks that can be asked for in words.
  public enum Driver: String, CaseIterable, Sendable {
    case bridge, overlay, macvlan, ipvlan, vlan, ptp, dummy, none, host
  }
}

extension NetworkRequest.Driver {
  /// The plugin's executable.
  public var plugin: String { self == .overlay ? "overlay-vxlan" : rawValue }

  /// Whether containers get addresses.
  var hasAddresses: Bool { self != .none && self != .host }

  /// Whether the size of packets can be chosen.
  var hasMTU: Bool { hasAddresses && self != .dummy }

  /// Whether the host stands between a container and everybody else.
  var forwardsThroughHost: Bool { [.bridge, .overlay, .ptp].contains(self) }

  /// Whether containers are on the wire of a link of the host, with whoever else is there.
  public var hasParentLink: Bool { [.macvlan, .ipvlan, .vlan].contains(self) }

  /// What the runtime may hand over: an `ipvlan` link has its master's hardware address.
  var capabilities: [String] { self == .ipvlan ? ["ips"] : ["ips", "mac"] }

  /// The plugin's key for an option as Docker's users write it.
  func key(forOption option: String) -> String {
    switch (self, option) {
    case (.overlay, "parent"): "dev"
    case (_, "parent") where hasParentLink: "master"
    case (.macvlan, "macvlan_mode"), (.ipvlan, "ipvlan_mode"): "mode"
    case (.ipvlan, "ipvlan_flag"): "flag"
    default: option
    }
  }
}
