public import Kernel
public import NetTypes

extension LinkInfo {
  /// The MAC address of a bridge if it may follow its ports; `nil` if a user set it.
  ///
  /// If it is set to its present value, the kernel keeps it as set by a user (`br_stp_recalculate_bridge_id`).
  public var unpinnedMAC: MACAddress? { keepsMAC == true ? nil : mac }
}
