public import CNI
import Linux
public import NetTypes
import PacketFilter

/// `route_localnet` of the host's links, and the rule that drops packets for 127.0.0.0/8 from elsewhere.
///
/// The rule is present as long as the same backend has rules of published ports.
extension HostFilter {
  public mutating func needsRouteLocalnet(
    _ link: InterfaceName, besides owners: Set<Owner>
  ) throws(KernelError) -> Bool {
    var filter = self
    // A recorded claim alone is not enough: an ADD that was killed may have recorded rules without adding them.
    let claim = try memory.firstClaim(.ports, besides: owners) { (claim) throws(KernelError) in
      guard claim.localnetLinks.contains(link) else { return false }
      return try filter.lackingAll(claim, in: claim.backend).isEmpty
    }
    return claim != nil
  }

  /// Sets `route_localnet` for rules that were restored.
  func enableRouteLocalnet(for claim: Claim) throws(KernelError) {
    for link in claim.localnetLinks {
      let path = "/proc/sys/net/ipv4/conf/\(link)/route_localnet"
      // A link that does not exist any more needs no setting.
      guard let value = try Files.readIfPresent(path), value.first == UInt8(ascii: "0") else { continue }
      try Files.overwrite(path, with: "1")
    }
  }
}
