import CNI
import Linux
public import NetTypes
import PacketFilter

/// Chains of services: each has one rule, which translates to one of the back-ends, a set that exists as long as the chain.
///
/// The rule names all back-ends, so each change of the set makes it anew, in the same transaction. `HostFilter` makes such
/// changes one after another.
enum ServiceChains {
  static let prefix = "service_"
  static let addressPrefix = "vip_"
  /// The prefix of chains without rules: a process on this host takes the connections.
  static let proxyPrefix = "proxy_"

  /// What the name of a chain tells.
  struct Name {
    var scheduler: BackEnd.Scheduler
    var family: IPFamily
    var transport: TransportProtocol

    /// `nil` for a chain of another kind.
    init?(_ chain: String) {
      let words = chain.split(separator: "_")
      guard chain.hasPrefix(prefix) || chain.hasPrefix(proxyPrefix), words.count == 5,
        let scheduler = BackEnd.Scheduler(String(words[1])),
        let transport = TransportProtocol(String(words[3]))
      else { return nil }
      self.scheduler = scheduler
      self.transport = transport
      family = words[2] == "4" ? .v4 : .v6
    }
  }

  static func chain(of backEnd: BackEnd) -> SharedChain {
    let name = backEnd.frontName
    let sets = FamilySets(backEnd.family)
    let port = [Field.transport(backEnd.transport), .port(backEnd.port)]
    let entry =
      if let address = backEnd.address {
        Element(set: sets.services, key: [.address(address)] + port, value: .jump(name), comment: name)
      } else {
        Element(set: sets.publishedServices, key: port, value: .jump(name), comment: name)
      }
    return SharedChain(name: name, rules: [], sets: self.sets(of: name), entryElements: [entry])
  }

  /// An empty chain that counts who needs the address.
  static func virtualAddress(_ address: IPAddress, on link: InterfaceName) -> SharedChain {
    SharedChain(name: "\(addressPrefix)\(AttachmentID.shortHash("\(address) \(link)"))", rules: [])
  }

  /// The element by which an owner needs a chain.
  static func user(_ owner: ElementOwner, of chain: SharedChain) -> Element {
    let key = Field.hash(AttachmentID.shortHash("\(owner.comment) \(chain.name)"))
    return Element(set: Layout.serviceUsers, key: [key], value: .jump(chain.name), comment: owner.comment)
  }

  /// The addresses and ports of the back-ends, with their weights.
  static func members(of chain: String, _ family: IPFamily) -> SetSpec {
    SetSpec(.services, "\(chain)_members", key: [Field.Kind(family), .port], value: .fields([.number]))
  }

  /// Those of the back-ends that are out.
  static func down(of chain: String, _ family: IPFamily) -> SetSpec {
    SetSpec(.services, "\(chain)_down", key: [Field.Kind(family), .port])
  }

  static func member(_ backEnd: BackEnd, _ owner: ElementOwner) -> Element {
    Element(
      set: members(of: chain(of: backEnd).name, backEnd.family),
      key: [.address(backEnd.target), .port(backEnd.targetPort)], value: .fields([.number(UInt32(backEnd.weight))]),
      comment: owner.comment)
  }

  /// The back-ends first.
  static func sets(of chain: String) -> [SetSpec] {
    Name(chain).map { [members(of: chain, $0.family), down(of: chain, $0.family)] } ?? []
  }

  /// The chain of a set of back-ends; `nil` for another set.
  static func chain(of set: SetSpec) -> String? {
    guard set.name.hasPrefix(prefix), set.name.hasSuffix("_members") else { return nil }
    return String(set.name.dropLast("_members".count))
  }

  /// The rule for these back-ends; `nil` if none takes connections.
  static func rule(_ chain: String, _ members: [Element]) -> NftRule? {
    guard chain.hasPrefix(prefix), let name = Name(chain) else { return nil }
    let divisor = members.commonWeight
    let ordered = members.map { (key: $0.key.bytes, member: $0) }.sorted { $0.key.lexicographicallyPrecedes($1.key) }
    let slots = ordered.flatMap { $0.member.slots(dividedBy: divisor) }
    return slots.isEmpty
      ? nil : [.family(name.family), .transport(name.transport), .balance(name.family, name.scheduler, slots)]
  }
}

extension NftablesPlan {
  mutating func balance(_ backEnd: BackEnd, _ owner: ElementOwner) {
    let chain = ServiceChains.chain(of: backEnd), sets = FamilySets(backEnd.family)
    let vip = backEnd.address.flatMap { address in
      backEnd.device.map { ServiceChains.virtualAddress(address, on: $0) }
    }
    for used in [chain, vip].compactMap({ $0 }) {
      chains.append(used)
      elements.append(ServiceChains.user(owner, of: used))
    }
    elements.append(ServiceChains.member(backEnd, owner))
    // The connections to the back-end are the host's own.
    guard backEnd.proxy == nil else { return }
    let back = SharedChain(backFrom: backEnd)
    chains.append(back)
    add(sets.servicesBack, [.address(backEnd.target)], .jump(back.name), owner)
  }
}

extension SharedChain {
  /// Masquerades the connections whose replies would not return through this host.
  ///
  /// Those are connections from the host and from the back-end's own subnet; if it is on another host, all except those
  /// from this host's subnet.
  fileprivate init(backFrom backEnd: BackEnd) {
    let subnet = backEnd.subnet.network
    let rules: [NftRule] =
      backEnd.isFar
      ? [[.localSource, .masquerade()], [.prefix(.source, subnet), .returnToCaller], [.masquerade()]]
      : [[.prefix(.source, subnet), .masquerade()], [.localSource, .masquerade()]]
    self.init(name: NftablesPlan.chainName("back_", rules), rules: rules)
  }
}

extension RulesetSocket {
  /// Changes that make the rules of services' chains anew.
  ///
  /// - Parameters:
  ///   - chains: names of chains, also of other kinds.
  ///   - added: elements that the same transaction adds.
  ///   - isRemoved: whether it removes a present element.
  /// - Returns: also the deletions of elements that keep out back-ends which leave.
  /// - Throws: the kernel's error.
  borrowing func balancing(
    _ chains: [String], adding added: [Element], removing isRemoved: (Element) -> Bool
  ) throws(KernelError) -> [RulesetChange] {
    var changes: [RulesetChange] = []
    // One owner may have several back-ends of a chain, and an element can be deleted only once.
    for chain in Set(chains).sorted() where ServiceChains.Name(chain) != nil {
      let present = try ServiceChains.sets(of: chain).map { (set) throws(KernelError) in
        (set: set, elements: try elements(of: set).compactMap { Element($0, in: set) })
      }
      let sets = present.map { (set, elements) in
        let new = added.filter { $0.set == set }
        return elements.filter { old in !isRemoved(old) && !new.contains { $0.key == old.key } } + new
      }
      let owners = present[0].elements.reduce(into: [:]) { $0[$1.key.bytes] = $1.comment }
      // A new container may have the address of one that is gone without DEL.
      let staying = Set(sets[0].filter { owners[$0.key.bytes] == $0.comment }.map { $0.key.bytes })
      changes += sets[1].filter { !staying.contains($0.key.bytes) }.map { .deleteElement($0) }
      changes += [.addChain(.inet, chain), .flushChain(.inet, chain)]
      // The kernel frees the rule that was there.
      if !present[0].elements.isEmpty { LateClosing.noteDeletion() }
      let down = Set(sets[1].map { $0.key.bytes }.filter { staying.contains($0) })
      let taking = sets[0].filter { !down.contains($0.key.bytes) }
      if let rule = ServiceChains.rule(chain, taking) { changes.append(.addRule(.inet, chain, rule)) }
    }
    return changes
  }
}

extension Element {
  private var weight: Int {
    if case .fields(let fields) = value, case .number(let weight)? = fields.first { Int(weight) } else { 0 }
  }

  fileprivate func slots(dividedBy divisor: Int) -> [Slot] {
    guard divisor > 0, case .address(let address)? = key.first, case .port(let port)? = key.last else { return [] }
    return Array(repeating: Slot(address: address, port: port), count: weight / divisor)
  }

  fileprivate var positiveWeight: Int? { weight > 0 ? weight : nil }
}

extension [Element] {
  /// The greatest common divisor of the weights; 0 without weights.
  fileprivate var commonWeight: Int {
    compactMap { $0.positiveWeight }.reduce(0) { (first, second) in
      var (a, b) = (first, second)
      while b > 0 { (a, b) = (b, a % b) }
      return a
    }
  }
}

extension NftablesBackend {
  public func needsVirtualAddress(
    _ address: IPAddress, on link: InterfaceName, except tags: Set<String>
  ) throws(KernelError) -> Bool {
    let chain = ServiceChains.virtualAddress(address, on: link), socket = try RulesetSocket.open()
    guard let uses = try socket.uses(of: chain.name, .inet), uses > 0 else { return false }
    var own = 0
    for tag in tags {
      let user = ServiceChains.user(ElementOwner(tag, .services), of: chain)
      if try socket.element(user.key, of: user.set) != nil { own += 1 }
    }
    return uses > own
  }
}
