public import NetTypes

/// Which VLANs pass through a bridge's port.
public struct PortVLANs: Equatable, Sendable {
  /// Frames without a tag belong to this one, and leave without a tag; `nil` leaves it to the bridge: VLAN 1.
  public var native: VLANID?
  /// Frames of these pass with their tags.
  public var tagged: [ClosedRange<VLANID>]
  /// Whether VLAN 1, which a bridge gives to every new port, stays.
  public var keepsDefault: Bool

  public init(native: VLANID? = nil, tagged: [ClosedRange<VLANID>] = [], keepsDefault: Bool = true) {
    self.native = native
    self.tagged = tagged
    self.keepsDefault = keepsDefault
  }

  public func contains(tagged id: VLANID) -> Bool { tagged.contains { $0.contains(id) } }
}
