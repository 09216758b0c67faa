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
      Layout.conditional($0.boundChained, $0.chained, $0.keyword)
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
    let mark = AttachmentID.shortHash(([owner.comment, key.text] + rules).joined(separator: "\n"))
    return SharedChain(name: "port_\(port.targetText)_\(mark)", rules: rules)
  }

  private static func rules(of port: PublishedPort, _ owner: ElementOwner) throws(KernelError) -> [String] {
    for device in port.excludedDevices { try NftSyntax.check(name: device.description) }
    let conditions = try NftSyntax.checked(port.conditions, of: port)
    let sets = FamilySets(port.family)
    let translation = "dnat \(sets.keyword) to \(port.target.withPort(port.targetPort))"
    let excluded = port.excludedDevices.map { "iifname \"\($0)\" return" }
    return excluded + (try marking(port.masquerade, conditions, sets))
      + [
        conditions
          + "meta l4proto \(port.transport) \(translation) comment \"\(owner.comment)\""
      ]
  }

  private static func marking(
    _ path: ReturnPath?, _ conditions: String, _ sets: FamilySets
  ) throws(KernelError) -> [String] {
    guard let path, case .bit(let bit) = path.marking else { return [] }
    let mark = "meta mark set meta mark or \(try mask(bit))"
    let sources =
      path.everything ? [""] : masqueradedSources(path.subnet.network).map { "\(sets.keyword) saddr \($0) " }
    return sources.map { conditions + $0 + mark }
  }

  private static func mask(_ bit: Int) throws(KernelError) -> UInt32 {
    guard (0...31).contains(bit) else {
      throw KernelError(
        "masquerade by bit \(bit) of the mark", errno: .EINVAL, reason: "want 0 to 31")
    }
    return 1 << UInt32(bit)
  }

  /// Sources whose replies would bypass the host: the container and its neighbours, and the host's loopback addresses.
  private static func masqueradedSources(_ subnet: IPPrefix) -> [String] {
    [subnet.family == .v4 ? "127.0.0.0/8" : "::1", "\(subnet)"]
  }

  static func returnPathChain(_ path: ReturnPath) throws(KernelError) -> SharedChain {
    switch path.marking {
    case .chain(let name):
      throw KernelError(
        "mark by chain \(name)", errno: .EOPNOTSUPP,
        reason: "the nftables backend has no such chain; want markMasqBit or the iptables backend")
    case .bit(let bit): return named(["meta mark & \(try mask(bit)) != 0 masquerade"])
    case .none: return path.everything ? named(["masquerade"]) : returnPathChain(from: path.subnet.network)
    }
  }

  static func returnPathChain(from subnet: IPPrefix) -> SharedChain {
    let word = FamilySets(subnet.family).keyword
    return named(masqueradedSources(subnet).map { "\(word) saddr \($0) masquerade" })
  }

  private static func named(_ rules: [String]) -> SharedChain {
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
    target.bytes.map(\.hexDigits).joined() + "_\(targetPort)"
  }
}
