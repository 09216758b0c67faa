import CNI
import NetTypes
import PacketFilter

extension Wanted {
  /// Adds a chain for the address, looked up by it, and an element for the owner.
  mutating func serve(_ service: NameService, _ owner: ElementOwner) throws(KernelError) {
    try Words.check(name: service.bridge.description)
    let rules = [
      "meta l4proto != { 6, 17 } return", "th dport != \(NameService.port) return",
      "iifname \"\(service.bridge)\" accept", "iifname != \"lo\" drop",
    ]
    let hash = Owner.shortHash(([service.address.description] + rules).joined(separator: "\n"))
    let name = Layout.servicePrefix + hash
    let served = FamilySets(service.address.family).served
    chains.append(
      SharedChain(
        name: name, rules: rules,
        keepers: [Element(set: served, key: [.address(service.address)], value: .jump(name), comment: name)]))
    add(Layout.servers, [.hash(Owner.shortHash("\(owner.comment) \(service.address)"))], .jump(name), owner)
  }
}
