import Kernel
import NetTypes
import PacketFilter

extension Found {
  /// The published ports that conflict with one of `ports`; all published ports if `ports` is `nil`.
  static func holders(
    of ports: [PublishedPort]?, in socket: borrowing RulesetSocket
  ) throws(KernelError) -> [PortHolder] {
    guard try socket.uses(of: Table.inet.anchor, .inet) != nil else { return [] }
    guard let ports else { return try all(in: socket) }
    var holders: [PortHolder] = []
    for family in IPFamily.allCases {
      let asked = ports.filter { $0.family == family }
      if asked.isEmpty { continue }
      var elements = try conflicting(asked, FamilySets(family), in: socket)
      elements += try all(of: [FamilySets(family).spares], in: socket)
      // A port at all addresses conflicts with the same port at any single address.
      if asked.contains(where: { $0.hostIP == nil }) {
        elements += try all(of: FamilySets(family).allBound, in: socket)
      }
      holders += elements.compactMap(PortHolder.init(_:)).filter { holder in
        asked.contains { $0.conflicts(with: holder.port) }
      }
    }
    return holders
  }

  private static func all(in socket: borrowing RulesetSocket) throws(KernelError) -> [PortHolder] {
    var holders: [PortHolder] = []
    for sets in IPFamily.allCases.map(FamilySets.init(_:)) {
      let elements = try all(of: [sets.ports, sets.spares] + sets.byChain + sets.allBound, in: socket)
      holders += elements.compactMap(PortHolder.init(_:))
    }
    return holders
  }

  private static func all(
    of sets: [SetSpec], in socket: borrowing RulesetSocket
  ) throws(KernelError) -> [Element] {
    var elements: [Element] = []
    for set in sets {
      elements += try socket.elements(of: set).compactMap { Element($0, in: set) }
    }
    return elements
  }

  private static func conflicting(
    _ ports: [PublishedPort], _ sets: FamilySets, in socket: borrowing RulesetSocket
  ) throws(KernelError) -> [Element] {
    var elements: [Element] = []
    for port in ports {
      let key = [Field.transport(port.transport), .port(port.hostPort)]
      for set in [sets.ports] + sets.byChain {
        if let found = try socket.element(key, of: set) { elements += [Element(found, in: set)].compactMap(\.self) }
      }
      guard let address = port.hostIP else { continue }
      for set in sets.allBound {
        if let found = try socket.element([.address(address)] + key, of: set) {
          elements += [Element(found, in: set)].compactMap(\.self)
        }
      }
    }
    return elements
  }
}

extension FamilySets {
  fileprivate var byChain: [SetSpec] { [special, chained] }
  fileprivate var allBound: [SetSpec] { [bound, boundSpecial, boundChained] }
}

extension PortHolder {
  /// `nil` if the element is not an owner's published port, or leads to one only through another element.
  init?(_ element: Element) {
    guard let owner = ElementOwner(comment: element.comment) else { return nil }
    var key = element.key[...]
    var hostIP: IPAddress?
    // The key of a spare port begins with a hash.
    if element.set.isOfSpares { key = key.dropFirst() }
    if case .address(let address) = key.first {
      hostIP = address == FamilySets(address.family).anyAddress ? nil : address
      key = key.dropFirst()
    }
    guard case .transport(let transport) = key.first, case .port(let hostPort) = key.last,
      let (target, port) = element.value.target
    else { return nil }
    var published = PublishedPort(transport, hostIP: hostIP, hostPort: hostPort, to: target, port)
    published.isSpare = element.set.isOfSpares
    self.init(published, tag: owner.tag)
  }
}

extension Element.Value {
  /// The port's target: a map's value, or the address and port in the name of its own chain, `port_0a010002_80_…`.
  fileprivate var target: (IPAddress, UInt16)? {
    switch self {
    case .none: return nil
    case .fields(let fields):
      guard case .address(let address) = fields.first, case .port(let port) = fields.last else { return nil }
      return (address, port)
    case .jump(let chain):
      let parts = chain.split(separator: "_")
      guard parts.count == 4, parts[0] == "port", let port = UInt16(parts[2]) else { return nil }
      let digits = Array(parts[1])
      let bytes = stride(from: 0, to: digits.count - 1, by: 2).compactMap {
        UInt8(String(digits[$0...$0 + 1]), radix: 16)
      }
      return IPAddress(bytes: bytes).map { ($0, port) }
    }
  }
}
