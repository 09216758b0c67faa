public import CNI
import Kernel
import NetTypes
public import PacketFilter

/// Policies whose rules are in the container's network namespace, because its packets do not pass the host's.
extension PolicyConfig {
  /// - Throws: code 7 if it names networks or labels, whose members such a namespace does not know.
  func checkInContainer() throws(CNIError) {
    for permission in (ingress ?? []) + (egress ?? []) {
      let peer: String
      switch permission.peer {
      case .anyone, .prefix: continue
      case .network(let network): peer = "network \"\(network)\""
      case .label(let label): peer = "label \"\(label)\""
      }
      throw CNIError(
        .invalidNetworkConfig,
        "key \"policy\": \(peer): the rules are in the container's network namespace, which knows only addresses: want \"cidr\""
      )
    }
  }

  /// The changes that limit the connections of the container's interface; before the interface is up.
  func changesInContainer(_ owner: AttachmentID, usesDHCP: Bool) -> [Change] {
    ruleSetInContainer(owner, usesDHCP: usesDHCP).map { [.addRules($0)] } ?? []
  }

  /// The rules that limit the connections of the container's interface; `nil` if nothing is limited.
  public func ruleSetInContainer(_ owner: AttachmentID, usesDHCP: Bool) -> RuleSet? {
    guard ingress != nil || egress != nil else { return nil }
    var policy = Policy(of: [], on: [owner.interface], ingress: ingress, egress: egress, logGroup: logGroup)
    policy.isInContainer = true
    policy.usesDHCP = usesDHCP
    return RuleSet(owner, .policies, [.limit(policy)], backend: .nftables)
  }
}
