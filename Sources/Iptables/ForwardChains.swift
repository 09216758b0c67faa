import NetTypes
import Netfilter
import PacketFilter

/// A chain or set of nf_tables.
struct NftObject: Hashable, CustomStringConvertible {
  /// `NFPROTO_*`: 1 `inet`, 2 `ip`, 10 `ip6`.
  var family: UInt8
  var table: String
  var name: String

  func inSameTable(_ name: String) -> NftObject { NftObject(family: family, table: table, name: name) }

  /// The text for a chain: `nf_tables table inet filter, chain forward`.
  var description: String {
    let familyName = [1: "inet", 2: "ip", 10: "ip6"][family] ?? "\(family)"
    return "nf_tables table \(familyName) \(table), chain \(name)"
  }

  /// Whether this is FORWARD of `iptables-nft`, which ADD inserts a jump into.
  var isForwardOfIptables: Bool { family != 1 && table == "filter" && name == "FORWARD" }

  /// Whether this chain is firewalld's, which accepts the sources that the plugin `firewall` adds to its zone.
  var isOfFirewalld: Bool { family == 1 && table == "firewalld" }

  /// Whether packets of that family pass the table.
  func handles(_ packetFamily: IPFamily) -> Bool { family == 1 || family == (packetFamily == .v4 ? 2 : 10) }
}

/// The base chains of nf_tables at the hook forward, evaluated for packets of which only some fields are known.
///
/// Reports a drop only if every path through a chain drops: a rule that this code does not understand may accept.
struct ForwardChains: ~Copyable {
  struct BaseChain {
    var chain: NftObject
    var dropsByPolicy: Bool
  }

  private let socket: NftSocket
  let baseChains: [BaseChain]
  private var rules: [NftObject: [ForwardRule]] = [:]
  /// Known sets; `nil` for a set whose elements cannot be compared.
  private var sets: [NftObject: [SetElement]?] = [:]
  /// How many more chains may be read for this packet, so that the evaluation ends soon for any ruleset.
  private var remainingReads = 64

  /// Lists the base chains; their rules are read when they are evaluated.
  ///
  /// `includingOpenedByADD`: also chains in which ADD accepts a network: FORWARD of `iptables-nft` and firewalld's chains.
  init(includingOpenedByADD: Bool) throws(KernelError) {
    let socket = try NftSocket.open()
    baseChains = try Self.baseChains(socket, includingOpenedByADD: includingOpenedByADD)
    self.socket = socket
  }

  private static func baseChains(
    _ socket: borrowing NftSocket, includingOpenedByADD: Bool
  ) throws(KernelError) -> [BaseChain] {
    let request = NftMessage(kind: .getChain, flags: NftMessage.Flags.dump, family: 0)
    var baseChains: [BaseChain] = []
    // A host may have thousands of chains, of which few are base chains.
    for answer in try socket.ask(request, wanting: .chainHook, doing: "list chains of nf_tables") {
      guard let table = answer.text(.chainTable), let name = answer.text(.chainName),
        answer.nested(.chainHook)?.number(.hookNumber) == 2,
        [1, 2, 10].contains(answer.family), table != "swift_cni"
      else { continue }
      let chain = NftObject(family: answer.family, table: table, name: name)
      guard includingOpenedByADD || !(chain.isForwardOfIptables || chain.isOfFirewalld) else { continue }
      baseChains.append(BaseChain(chain: chain, dropsByPolicy: answer.number(.chainPolicy) == 0))
    }
    return baseChains
  }

  /// Whether the chain's table has `flags dormant`.
  private func isDormant(_ chain: NftObject) throws(KernelError) -> Bool {
    var attributes = NftAttributes()
    attributes.put(.tableName, chain.table)
    let request = NftMessage(kind: .getTable, family: chain.family, attributes: attributes)
    let table = try socket.ask(request, doing: "look for table \(chain.table)").first
    return (table?.number(.tableFlags) ?? 0) & 1 == 1
  }

  // MARK: evaluating

  /// The rule or policy that certainly drops packets of that connection; `nil` if none certainly does.
  mutating func drop(of connection: ForwardedConnection) throws(KernelError) -> String? {
    for base in baseChains where base.chain.handles(connection.family) {
      for isReply in [false, true] {
        let packet = ForwardPacket(connection: connection, isReply: isReply)
        remainingReads = 64
        var outcome = try evaluate(base.chain, for: packet, depth: 0)
        if outcome.mayContinue {
          if base.dropsByPolicy {
            outcome.drops.append(Drop(chain: base.chain, rule: nil))
          } else {
            outcome.mayBeAccepted = true
          }
        }
        guard !outcome.mayBeAccepted, let drop = outcome.drops.last, !Layout.isOurs(drop.chain.name) else { continue }
        if try isDormant(base.chain) { continue }
        return drop.description
      }
    }
    return nil
  }

  private struct Drop {
    var chain: NftObject
    /// The rule's number, counted from 1, and its handle; `nil`: the chain's policy dropped.
    var rule: (number: Int, handle: UInt64)?

    var description: String {
      "\(chain), " + (rule.map { "rule \($0.number) (handle \($0.handle))" } ?? "policy drop")
    }
  }

  /// The possible results of a chain for a packet.
  private struct Outcome {
    var mayBeAccepted = false
    /// Whether the packet may return to the calling chain, or get the base chain's policy.
    var mayContinue = false
    var drops: [Drop] = []

    mutating func join(_ other: Outcome) {
      mayBeAccepted = mayBeAccepted || other.mayBeAccepted
      drops += other.drops
    }
  }

  private mutating func evaluate(
    _ chain: NftObject, for packet: ForwardPacket, depth: Int
  ) throws(KernelError) -> Outcome {
    guard depth < 16, let rules = try read(chain) else { return Outcome(mayBeAccepted: true) }
    var outcome = Outcome()
    for (index, rule) in rules.enumerated() {
      let (matches, verdict) = try evaluate(rule, of: chain, for: packet)
      guard matches != .no, let verdict else { continue }
      switch verdict {
      case .accept, .unknown: outcome.mayBeAccepted = true
      case .drop: outcome.drops.append(Drop(chain: chain, rule: (index + 1, rule.handle)))
      case .returnToCaller: outcome.mayContinue = true
      case .jump(let name), .goto(let name):
        let inner = try evaluate(chain.inSameTable(name), for: packet, depth: depth + 1)
        outcome.join(inner)
        if case .goto = verdict {
          outcome.mayContinue = outcome.mayContinue || inner.mayContinue
        } else if inner.mayContinue {
          continue
        }
      }
      if matches == .yes || outcome.mayBeAccepted { return outcome }
    }
    outcome.mayContinue = true
    return outcome
  }

  /// Evaluates the rule; reads only the sets in which it looks up the packet.
  private mutating func evaluate(
    _ rule: ForwardRule, of chain: NftObject, for packet: ForwardPacket
  ) throws(KernelError) -> (Certainty, ForwardRule.Verdict?) {
    while true {
      var unread: NftObject?
      let result = rule.evaluate(for: packet) { name in
        let set = chain.inSameTable(name)
        if sets[set] == nil { unread = set }
        return sets[set] ?? nil
      }
      guard let unread else { return result }
      sets[unread] = .some(try elements(of: unread))
    }
  }

  // MARK: reading

  /// The chain's rules; `nil` if this packet has already passed too many chains.
  private mutating func read(_ chain: NftObject) throws(KernelError) -> [ForwardRule]? {
    guard remainingReads > 0 else { return nil }
    remainingReads -= 1
    if let rules = rules[chain] { return rules }
    var attributes = NftAttributes()
    attributes.put(.ruleTable, chain.table)
    attributes.put(.ruleChain, chain.name)
    let request = NftMessage(
      kind: .getRule, flags: NftMessage.Flags.dump, family: chain.family, attributes: attributes)
    let all = try socket.ask(request, doing: "list rules of \(chain)")
      .filter { $0.text(.ruleChain) == chain.name }.map { ForwardRule($0) }
    rules[chain] = all
    return all
  }

  /// The elements of a set or map; `nil` if it has intervals or other flags.
  private func elements(of set: NftObject) throws(KernelError) -> [SetElement]? {
    var attributes = NftAttributes()
    attributes.put(.elementsTable, set.table)
    attributes.put(.elementsSet, set.name)
    let request = NftMessage(
      kind: .getSetElements, flags: NftMessage.Flags.dump, family: set.family, attributes: attributes)
    var all: [SetElement] = []
    for answer in try socket.ask(request, doing: "list elements of set \(set.name)") {
      for (_, bytes) in NftAnswer.list(answer[.elements] ?? []) {
        let element = NftAnswer(bytes)
        guard (element.number(.elementFlags) ?? 0) == 0, element[.elementKeyEnd] == nil,
          let key = element.nested(.elementKey)?[.value]
        else { return nil }
        all.append(
          SetElement(
            key: Array(key), verdict: element.nested(.elementData)?.nested(.verdict).map { ForwardRule.Verdict($0) }))
      }
    }
    return all
  }
}
