import CNftables
import Netfilter
public import NetTypes
public import PacketFilter

extension NftablesBackend {
  public func deniedPackets(by policy: Policy) throws(KernelError) -> DeniedPackets? {
    let plan = try NftablesPlan(.limit(policy), ElementOwner("", .policies))
    let socket = try RulesetSocket.open()
    var denied = DeniedPackets()
    for chain in plan.chains where chain.name.hasPrefix("policy_") {
      let answers = try socket.ask(
        RulesetMessages.rules(of: chain.name, .inet), doing: "list rules of \(chain.name)")
      guard let packets = answers.compactMap({ RulesetMessages.countedPackets($0) }).last else { return nil }
      if chain.name.hasPrefix("policy_in_") { denied.ingress = packets } else { denied.egress = packets }
    }
    return denied
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
