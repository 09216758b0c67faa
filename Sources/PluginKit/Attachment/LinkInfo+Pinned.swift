public import Kernel
public import NetTypes

extension LinkInfo {
  /// The MAC address of a bridge that follows its ports, or may do so; `nil` if a user set it.
  ///
  /// Set to what it is, it is the user's for the kernel (`br_stp_recalculate_bridge_id`), and stays.
  public var unpinnedMAC: MACAddress? { keepsMAC == true ? nil : mac }
}
