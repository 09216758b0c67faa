import NetTypes
import Netfilter

/// A rule of any nf_tables table, to be evaluated for a packet of which only some fields are known.
struct ForwardRule: Sendable {
  enum Verdict: Equatable, Sendable {
    case accept, drop, returnToCaller
    case jump(String)
    case goto(String)
    /// A verdict that this code does not understand, or that depends on more than the packet.
    case unknown
  }

  var handle: UInt64
  /// The name and data of each expression.
  private let expressions: [(name: String, data: NftAnswer)]

  init(_ answer: NftAnswer) {
    handle = answer.number(.ruleHandle) ?? 0
    expressions = NftAnswer.list(answer[.ruleExpressions] ?? []).map { _, element in
      let expression = NftAnswer(element)
      return (expression.text(.expressionName) ?? "", expression.nested(.expressionData) ?? NftAnswer([]))
    }
  }

  /// Evaluates whether the packet matches, and with which verdict; without a verdict, the next rule is evaluated.
  ///
  /// `set` returns the elements of a set; `nil` if they cannot be compared.
  func evaluate(
    for packet: ForwardPacket, set: (String) -> [SetElement]?
  ) -> (Certainty, Verdict?) {
    var evaluation = Evaluation(packet: packet)
    for (name, data) in expressions {
      evaluation.run(name, data, set)
      if evaluation.matches == .no { return (.no, nil) }
      if let verdict = evaluation.verdict { return (evaluation.matches, verdict) }
    }
    return (evaluation.matches, nil)
  }
}

/// An element of a set, or of a verdict map.
struct SetElement: Equatable, Sendable {
  var key: [UInt8]
  var verdict: ForwardRule.Verdict?
}

extension ForwardRule.Verdict {
  /// Parses `NFTA_DATA_VERDICT`.
  init(_ verdict: NftAnswer?) {
    let chain = verdict?.text(.verdictChain) ?? ""
    self =
      switch verdict?.number(.verdictCode).map({ Int32(truncatingIfNeeded: $0) }) {
      case 0: .drop
      case 1: .accept
      case NftCode.jump: .jump(chain)
      case NftCode.goto: .goto(chain)
      case -5: .returnToCaller
      default: .unknown
      }
  }
}

/// The registers of nf_tables while the expressions of one rule are evaluated.
private struct Evaluation {
  let packet: ForwardPacket
  var matches = Certainty.yes
  var verdict: ForwardRule.Verdict?
  private var registers: [UInt64: PartialBytes] = [:]

  init(packet: ForwardPacket) { self.packet = packet }

  /// Expressions that neither match nor decide; some of them write a register, which their attribute 1 or 2 names.
  private static let neutral: Set = [
    "counter", "log", "notrack", "dup", "flow_offload", "last", "objref", "hash", "numgen", "exthdr", "rt", "socket",
    "fib", "osf", "xfrm", "tunnel", "byteorder", "inner",
  ]

  mutating func run(_ name: String, _ data: NftAnswer, _ set: (String) -> [SetElement]?) {
    switch name {
    case "meta": load(data, packet.load(meta: data.number(.metaKey)))
    case "ct":
      let hasDirection = data[.connectionDirection] != nil
      load(data, hasDirection ? nil : packet.load(connectionTracking: data.number(.connectionKey)))
    case "payload":
      let offset = data.number(.payloadOffset) ?? 0, count = data.number(.payloadLength) ?? 0
      let isNetwork = data.number(.payloadBase) == UInt64(NftCode.networkHeader)
      load(data, isNetwork ? packet.load(networkHeader: offset, count: count) : nil)
    case "bitwise": mask(data)
    case "cmp": compare(data)
    case "lookup": lookUp(data, set)
    case "immediate" where data.number(.immediateTarget) == UInt64(NftCode.verdictRegister):
      verdict = .init(data.nested(.immediateData)?.nested(.verdict))
    case "immediate": load(data, data.nested(.immediateData)?[.value].map { PartialBytes(Array($0)) })
    case "reject": verdict = .drop
    case "match": require(evaluate(match: data))
    case "target": run(target: data.text(.extensionName) ?? "")
    case let name where Self.neutral.contains(name):
      for number in 1...2 as ClosedRange<UInt16> {
        if let register = data.number(NftAttribute(number)) { registers[register] = nil }
      }
    case "queue", "fwd", "tproxy", "synproxy": verdict = .unknown
    default: require(.maybe)
    }
  }

  private mutating func require(_ condition: Certainty) {
    if condition == .no { matches = .no } else if condition == .maybe, matches == .yes { matches = .maybe }
  }

  /// The target is attribute 1 of each expression that loads.
  private mutating func load(_ data: NftAnswer, _ value: PartialBytes?) {
    if let register = data.number(.metaTarget) { registers[register] = value }
  }

  private mutating func mask(_ data: NftAnswer) {
    guard let target = data.number(.bitwiseTarget) else { return }
    guard let source = data.number(.bitwiseSource).flatMap({ registers[$0] }),
      (data.number(.bitwiseOperation) ?? 0) == 0, let bits = data.nested(.bitwiseMask)?[.value],
      let xor = data.nested(.bitwiseXor)?[.value]
    else {
      registers[target] = nil
      return
    }
    registers[target] = source.masked(Array(bits), xor: Array(xor))
  }

  private mutating func compare(_ data: NftAnswer) {
    guard let register = data.number(.compareSource).flatMap({ registers[$0] }),
      let operation = data.number(.compareOperation), operation < 2, let value = data.nested(.compareData)?[.value]
    else { return require(.maybe) }
    let holds = register.begins(with: Array(value))
    require(operation == 1 ? holds.negated : holds)
  }

  private mutating func lookUp(_ data: NftAnswer, _ set: (String) -> [SetElement]?) {
    let isVerdict = data.number(.lookupTarget) == UInt64(NftCode.verdictRegister)
    guard let register = data.number(.lookupSource).flatMap({ registers[$0] }), register.isWhole,
      let name = data.text(.lookupSet), let elements = set(name), data[.lookupTarget] == nil || isVerdict,
      elements.allSatisfy({ $0.key.count == register.value.count })  // a concatenation has longer keys
    else {
      if isVerdict { verdict = .unknown }
      if let target = data.number(.lookupTarget), !isVerdict { registers[target] = nil }
      return require(.maybe)
    }
    let element = elements.first { register.begins(with: $0.key) == .yes }
    let isInverted = (data.number(.lookupFlags) ?? 0) & 1 == 1
    require(Certainty((element != nil) != isInverted))
    if isVerdict, matches != .no { verdict = element?.verdict ?? .unknown }
  }

  /// Evaluates an xtables match as `iptables-nft` writes it.
  private func evaluate(match data: NftAnswer) -> Certainty {
    switch data.text(.extensionName) {
    case "comment": return .yes
    case "conntrack":
      let info = Array(data[.extensionInfo] ?? [])
      guard info.count >= 152, info.number16(at: 146) == 1 else { return .maybe }
      let states = ConnectionStates(rawValue: UInt16(info.number16(at: 150)))
      guard states.isDisjoint(with: [.translated, .translatedSource]) else { return .maybe }
      let holds = Certainty(!states.isDisjoint(with: packet.state))
      return info.number16(at: 148) & 1 == 1 ? holds.negated : holds
    default: return .maybe
    }
  }

  /// Runs an xtables target as `iptables-nft` writes it.
  private mutating func run(target: String) {
    switch target {
    case "REJECT": verdict = .drop
    case "LOG", "NFLOG", "MARK", "CONNMARK", "TCPMSS", "TRACE", "CLASSIFY", "DSCP", "TOS", "AUDIT", "SET": break
    default: verdict = .unknown
    }
  }
}
