extension NetworkRequest {
  /// The drivers of `cnictl network create`.
  public enum Driver: String, CaseIterable, Sendable {
    case bridge, overlay, macvlan, ipvlan, vlan, ptp, dummy, none, host
  }
}

extension NetworkRequest.Driver {
  /// The plugin's executable.
  public var plugin: String { self == .overlay ? "overlay-vxlan" : rawValue }

  /// Whether containers get addresses.
  var hasAddresses: Bool { self != .none && self != .host }

  /// Whether the MTU can be set.
  var hasMTU: Bool { hasAddresses && self != .dummy }

  /// Whether the host forwards the containers' packets.
  var forwardsThroughHost: Bool { [.bridge, .overlay, .ptp].contains(self) }

  /// Whether containers are in the layer 2 network of a link of the host.
  public var hasParentLink: Bool { [.macvlan, .ipvlan, .vlan].contains(self) }

  /// The capabilities: not `mac` for `ipvlan`, whose links have the MAC address of their master.
  var capabilities: [String] { self == .ipvlan ? ["ips"] : ["ips", "mac"] }

  /// The plugin's key for an option under Docker's name.
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
