public import NetTypes

/// The VLANs of a bridge port.
public struct PortVLANs: Equatable, Sendable {
  /// The PVID: untagged frames belong to it and leave untagged; `nil`: the bridge's default, VLAN 1.
  public var native: VLANID?
  /// The VLANs whose frames pass with their tags.
  public var tagged: [ClosedRange<VLANID>]
  /// Whether the port keeps VLAN 1, which a bridge gives to every new port.
  public var keepsDefault: Bool

  public init(native: VLANID? = nil, tagged: [ClosedRange<VLANID>] = [], keepsDefault: Bool = true) {
    self.native = native
    self.tagged = tagged
    self.keepsDefault = keepsDefault
  }

  public func contains(tagged id: VLANID) -> Bool { tagged.contains { $0.contains(id) } }
}
