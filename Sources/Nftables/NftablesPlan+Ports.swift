import CNI
import NetTypes
import PacketFilter

extension NftablesPlan {
  mutating func publish(_ port: PublishedPort, _ owner: ElementOwner) throws(KernelError) {
    let sets = FamilySets(port.family)
    let key = (port.hostIP.map { [Field.address($0)] } ?? []) + [.transport(port.transport), .port(port.hostPort)]
    if port.isSpare {
      try publishSpare(port, owner)
    } else if port.needsChain {
      try publishByChain(port, key, sets, owner)
    } else {
      let target = [Field.address(port.target), .port(port.targetPort)]
      add(port.hostIP == nil ? sets.ports : sets.bound, key, .fields(target), owner)
    }
    guard let path = port.masquerade else { return }
    let back = try NftablesPlan.returnPathChain(path)
    chains.append(back)
    add(sets.returning, [.address(port.target)], .jump(back.name), owner)
  }

  /// Adds a port that a lookup alone cannot handle: the lookup leads to the port's own chain.
  private mutating func publishByChain(
    _ port: PublishedPort, _ key: [Field], _ sets: FamilySets, _ owner: ElementOwner
  ) throws(KernelError) {
    let own = try NftablesPlan.ownChain(port, key, owner)
    chains.append(own)
    let isBound = port.hostIP != nil
    let first = isBound ? sets.boundSpecial : sets.special
    guard let name = port.chain else {
      add(first, key, .jump(own.name), owner)
      return
    }
    try NftSyntax.check(chain: name)
    let lookups = IPFamily.allCases.map(FamilySets.init(_:)).flatMap {
      Layout.conditional($0.boundChained, $0.chained, $0.family)
    }
    chains.append(SharedChain(name: name, rules: lookups))
    add(first, key, .jump(name), owner)
    add(isBound ? sets.boundChained : sets.chained, key, .jump(own.name), owner)
  }

  /// The chain of this one port of this owner; its name contains the target.
  static func ownChain(
    _ port: PublishedPort, _ key: [Field], _ owner: ElementOwner
  ) throws(KernelError) -> SharedChain {
    let rules = try rules(of: port, owner)
    let mark = AttachmentID.shortHash(([owner.comment, key.text] + rules.map { $0.text }).joined(separator: "\n"))
    return SharedChain(name: "port_\(port.targetText)_\(mark)", rules: rules)
  }

  private static func rules(of port: PublishedPort, _ owner: ElementOwner) throws(KernelError) -> [NftRule] {
    for device in port.excludedDevices { try NftSyntax.check(name: device.description) }
    let words = try NftSyntax.checked(port.conditions, of: port)
    let conditions = words.isEmpty ? [] : [Statement.conditions(words)]
    let excluded: [NftRule] = port.excludedDevices.map { [.link(.incoming, [$0.description]), .returnToCaller] }
    let translation: [Statement] = [
      .transport(port.transport), .translateDestination(port.target, port.targetPort), .comment(owner.comment),
    ]
    return excluded + (try marking(port.masquerade, conditions)) + [NftRule(conditions + translation)]
  }

  private static func marking(
    _ path: ReturnPath?, _ conditions: [Statement]
  ) throws(KernelError) -> [NftRule] {
    guard let path, case .bit(let bit) = path.marking else { return [] }
    let mark = Statement.setMarkBit(try mask(bit))
    let sources = path.everything ? [[]] : masqueradedSources(path.subnet.network).map { [$0] }
    return sources.map { NftRule(conditions + $0 + [mark]) }
  }

  private static func mask(_ bit: Int) throws(KernelError) -> UInt32 {
    guard (0...31).contains(bit) else {
      throw KernelError(
        "masquerade by bit \(bit) of the mark", errno: .EINVAL, reason: "want 0 to 31")
    }
    return 1 << UInt32(bit)
  }

  /// Sources whose replies would bypass the host: the container and its neighbours, and the host's loopback addresses.
  private static func masqueradedSources(_ subnet: IPPrefix) -> [Statement] {
    [
      subnet.family == .v4 ? .prefix(.source, .loopback) : .address(.source, IPAddress(v6: 1)),
      .prefix(.source, subnet),
    ]
  }

  static func returnPathChain(_ path: ReturnPath) throws(KernelError) -> SharedChain {
    switch path.marking {
    case .chain(let name):
      throw KernelError(
        "mark by chain \(name)", errno: .EOPNOTSUPP,
        reason: "the nftables backend has no such chain; want markMasqBit or the iptables backend")
    case .bit(let bit): return named([[.markBit(try mask(bit)), .masquerade()]])
    case .none: return path.everything ? named([[.masquerade()]]) : returnPathChain(from: path.subnet.network)
    }
  }

  static func returnPathChain(from subnet: IPPrefix) -> SharedChain {
    named(masqueradedSources(subnet).map { [$0, .masquerade()] })
  }

  private static func named(_ rules: [NftRule]) -> SharedChain {
    SharedChain(name: chainName("back_", rules), rules: rules)
  }
}

extension PublishedPort {
  /// Whether the port needs more than an element.
  fileprivate var needsChain: Bool {
    if case .bit = masquerade?.marking { return true }
    return isConditional
  }

  /// The target in a chain's name: the address in hexadecimal digits, then the port.
  fileprivate var targetText: String {
    target.bytes.map { $0.hexDigits }.joined() + "_\(targetPort)"
  }
}
