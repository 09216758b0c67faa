import CNftables
import Netfilter
public import NetTypes
public import PacketFilter

extension NftablesBackend {
  public func deniedPackets(by policy: Policy) throws(KernelError) -> DeniedPackets? {
    let socket = try RulesetSocket.open()
    var denied = DeniedPackets()
    for side in PolicySide.allCases where side.permissions(policy) != nil {
      var packets: UInt64?
      for chain in try NftablesPlan.rulesChains(of: policy, side) {
        guard let counted = try socket.countedPackets(in: chain) else { continue }
        packets = (packets ?? 0) + counted
      }
      guard let packets else { return nil }
      if side == .ingress { denied.ingress = packets } else { denied.egress = packets }
    }
    return denied
  }
}

extension NftablesPlan {
  /// The names of the chains that may have the policy's rules.
  fileprivate static func rulesChains(of policy: Policy, _ side: PolicySide) throws(KernelError) -> [String] {
    var names: [String] = []
    for form in PolicyForm.allCases {
      let chains = try NftablesPlan(.limit(policy), ElementOwner("", .policies), form).chains
      names += chains.map { $0.name }
    }
    let prefixes = ["policy_\(side)_", "\(LinkPolicies.prefix)\(side)_"]
    return Set(names.filter { name in prefixes.contains(where: name.hasPrefix) }).sorted()
  }
}

extension RulesetSocket {
  /// The packets that the last rule with a counter has counted; `nil` if the chain has none.
  fileprivate borrowing func countedPackets(in chain: String) throws(KernelError) -> UInt64? {
    try ask(RulesetMessages.rules(of: chain, .inet), doing: "list rules of \(chain)")
      .compactMap { RulesetMessages.countedPackets($0) }.last
  }
}

extension RulesetMessages {
  /// The packets that a rule's counter has counted; `nil` if it has no counter.
  fileprivate static func countedPackets(_ answer: ArraySlice<UInt8>) -> UInt64? {
    guard let expressions = attributes(answer)[NFTA_RULE_EXPRESSIONS.rawValue] else { return nil }
    for expression in split(expressions).map({ dictionary(split($0.value)) })
    where expression[NFTA_EXPR_NAME.rawValue].map(string) == "counter" {
      return expression[NFTA_EXPR_DATA.rawValue].flatMap { NftAnswer($0).number(.counterPackets) }
    }
    return nil
  }
}
