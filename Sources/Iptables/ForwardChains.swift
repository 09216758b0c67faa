import Kernel
import NetTypes
import PacketFilter

/// The chains of nf_tables at the hook forward, whoever made them, and what becomes of a packet there.
///
/// Says that a packet is dropped only if every way through the chain ends so: whatever is not understood may accept.
struct ForwardChains: ~Copyable {
  /// A chain by its number of a family, table and name.
  struct Place: Hashable {
    var family: UInt8
    var table: String
    var chain: String

    var description: String {
      let name = [1: "inet", 2: "ip", 10: "ip6"][family] ?? "\(family)"
      return "nf_tables table \(name) \(table), chain \(chain)"
    }

    /// Whether `iptables` shows it, and so what is ours is put first there.
    var isOfIptables: Bool { family != 1 && table == "filter" && chain == "FORWARD" }

    func counts(for packetFamily: IPFamily) -> Bool { family == 1 || family == (packetFamily == .v4 ? 2 : 10) }
  }

  struct Base {
    var place: Place
    var drops: Bool
  }

  private let socket: NftSocket
  let bases: [Base]
  private var rules: [Place: [ForwardRule]] = [:]
  /// `nil`: a set that cannot be compared.
  private var sets: [Place: [SetElement]?] = [:]
  /// How many more chains are read for one question.
  private var budget = 64

  /// Lists the chains; rules are read as they are needed.
  init(withIptables: Bool) throws(KernelError) {
    let socket = try NftSocket.open()
    bases = try Self.bases(socket, withIptables: withIptables)
    self.socket = socket
  }

  private static func bases(_ socket: borrowing NftSocket, withIptables: Bool) throws(KernelError) -> [Base] {
    var question = NftMessage(
      kind: .getChain, flags: NftMessage.Flags.dump, family: .v4, attributes: NftAttributes())
    question.familyNumber = 0
    var bases: [Base] = []
    for answer in try socket.ask(question, doing: "list chains of nf_tables") {
      guard let table = answer.text(1), let chain = answer.text(3), answer.nested(4)?.number(1) == 2,
        [1, 2, 10].contains(answer.family), table != "swift_cni"
      else { continue }
      let place = Place(family: answer.family, table: table, chain: chain)
      guard withIptables || !place.isOfIptables else { continue }
      bases.append(Base(place: place, drops: answer.number(5) == 0))
    }
    return bases
  }

  private func isDormant(_ place: Place) throws(KernelError) -> Bool {
    var attributes = NftAttributes()
    attributes.put(1, place.table)
    var question = NftMessage(kind: .getTable, flags: 0, family: .v4, attributes: attributes)
    question.familyNumber = place.family
    let table = try socket.ask(question, doing: "look for table \(place.table)").first
    return (table?.number(2) ?? 0) & 1 == 1
  }

  // MARK: what becomes of a packet

  /// What certainly drops packets of that connection: chain, and policy or rule; `nil`: nothing that we know of.
  mutating func drop(of connection: ForwardedConnection) throws(KernelError) -> String? {
    for base in bases where base.place.counts(for: connection.family) {
      for isAnswer in [false, true] {
        let packet = ForwardPacket(connection: connection, isAnswer: isAnswer)
        budget = 64
        var fate = try follow(packet, base.place, depth: 0)
        if fate.mayGoOn {
          if base.drops { fate.drops.append(Drop(place: base.place, rule: nil)) } else { fate.mayPass = true }
        }
        guard !fate.mayPass, let drop = fate.drops.last, !Layout.isOurs(drop.place.chain) else { continue }
        if try isDormant(base.place) { continue }
        return drop.description
      }
    }
    return nil
  }

  private struct Drop {
    var place: Place
    /// Its number from 1, and its handle; `nil`: the policy.
    var rule: (number: Int, handle: UInt64)?

    var description: String {
      "\(place.description), " + (rule.map { "rule \($0.number) (handle \($0.handle))" } ?? "policy drop")
    }
  }

  private struct Fate {
    var mayPass = false
    /// Whether it may reach the end, or return.
    var mayGoOn = false
    var drops: [Drop] = []

    mutating func join(_ other: Fate) {
      mayPass = mayPass || other.mayPass
      drops += other.drops
    }
  }

  private mutating func follow(
    _ packet: ForwardPacket, _ place: Place, depth: Int
  ) throws(KernelError) -> Fate {
    guard depth < 16, let rules = try read(place) else { return Fate(mayPass: true) }
    var fate = Fate()
    for (index, rule) in rules.enumerated() {
      let (answer, verdict) = try tried(rule, on: packet, place)
      guard answer != .no, let verdict else { continue }
      switch verdict {
      case .accept, .unknown: fate.mayPass = true
      case .drop: fate.drops.append(Drop(place: place, rule: (index + 1, rule.handle)))
      case .returnToCaller: fate.mayGoOn = true
      case .jump(let chain), .goto(let chain):
        let inner = try follow(
          packet, Place(family: place.family, table: place.table, chain: chain), depth: depth + 1)
        fate.join(inner)
        if case .goto = verdict { fate.mayGoOn = fate.mayGoOn || inner.mayGoOn } else if inner.mayGoOn { continue }
      }
      if answer == .yes || fate.mayPass { return fate }
    }
    fate.mayGoOn = true
    return fate
  }

  private mutating func tried(
    _ rule: ForwardRule, on packet: ForwardPacket, _ place: Place
  ) throws(KernelError) -> (Answer, ForwardRule.Verdict?) {
    while true {
      var unread: Place?
      let result = rule.tried(on: packet) { name in
        let set = Place(family: place.family, table: place.table, chain: name)
        if sets[set] == nil { unread = set }
        return sets[set] ?? nil
      }
      guard let unread else { return result }
      sets[unread] = .some(try elements(unread))
    }
  }

  // MARK: reading

  /// `nil` if too many were read already.
  private mutating func read(_ place: Place) throws(KernelError) -> [ForwardRule]? {
    guard budget > 0 else { return nil }
    budget -= 1
    if let known = rules[place] { return known }
    var attributes = NftAttributes()
    attributes.put(1, place.table)
    attributes.put(2, place.chain)
    var question = NftMessage(kind: .getRule, flags: NftMessage.Flags.dump, family: .v4, attributes: attributes)
    question.familyNumber = place.family
    let found = try socket.ask(question, doing: "list rules of \(place.description)")
      .filter { $0.text(2) == place.chain }.map { ForwardRule($0) }
    rules[place] = found
    return found
  }

  /// The elements of a small set without intervals; `nil`: another one.
  private func elements(_ place: Place) throws(KernelError) -> [SetElement]? {
    var attributes = NftAttributes()
    attributes.put(1, place.table)
    attributes.put(2, place.chain)
    var question = NftMessage(kind: .getSetElements, flags: NftMessage.Flags.dump, family: .v4, attributes: attributes)
    question.familyNumber = place.family
    var all: [SetElement] = []
    for answer in try socket.ask(question, doing: "list elements of set \(place.chain)") {
      for (_, bytes) in NftAnswer.list(answer[3] ?? []) {
        let element = NftAnswer(bytes)
        guard (element.number(3) ?? 0) == 0, element[10] == nil, let key = element.nested(1)?[1] else { return nil }
        all.append(
          SetElement(key: Array(key), verdict: element.nested(2)?.nested(2).map { ForwardRule.Verdict($0) }))
      }
    }
    return all
  }
}
