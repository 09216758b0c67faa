public import CNI
public import NetTypes

/// The names of a network's devices on each host.
public struct OverlayNames: Equatable, Sendable {
  public var bridge: InterfaceName
  public var vxlan: InterfaceName

  /// Takes the given names, or derives them from the network's name.
  ///
  /// A hash replaces a network's name of more than 12 bytes, or one that cannot be part of an interface name.
  public init(_ network: NetworkName, bridge: InterfaceName? = nil, vxlan: InterfaceName? = nil) {
    self.bridge = bridge ?? Self.derived("ov-", network)
    self.vxlan = vxlan ?? Self.derived("vx-", network)
  }

  private static func derived(_ prefix: String, _ network: NetworkName) -> InterfaceName {
    let text = network.description
    if let whole = InterfaceName(prefix + text) { return whole }
    guard let hashed = InterfaceName(prefix + AttachmentID.shortHash(text).prefix(12)) else {
      preconditionFailure("15 letters, digits and '-' are an interface name")
    }
    return hashed
  }

  static func refusal(ofBoth name: InterfaceName) -> CNIError {
    CNIError(.invalidNetworkConfig, "keys \"bridge\" and \"vxlan\": both are \(name): want two different names")
  }
}

extension OverlayConfig {
  public func names(of network: NetworkName) -> OverlayNames { OverlayNames(network, bridge: bridge, vxlan: vxlan) }
}
