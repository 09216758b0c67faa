public import CNI
public import Kernel
public import NetTypes

extension LinkInfo {
  /// Whether it is the host end of an attachment to `network`: by its alias, or by its name if it has none yet.
  public func isHostInterface(of network: NetworkName) -> Bool {
    if let alias { return alias.hasPrefix(AttachmentID.tagPrefix(network)) && alias != AttachmentID.tagPrefix(network) }
    let prefix = AttachmentID.hostInterfacePrefix(network)
    return name.description.hasPrefix(prefix) && name.description.count == prefix.count + 8
  }
}

extension LinkInfo {
  /// The MAC address of a bridge if it may follow its ports; `nil` if a user set it.
  ///
  /// If it is set to its present value, the kernel keeps it as set by a user (`br_stp_recalculate_bridge_id`).
  public var unpinnedMAC: MACAddress? { keepsMAC == true ? nil : mac }
}
