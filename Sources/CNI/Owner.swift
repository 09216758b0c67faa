public import NetTypes

/// One attachment: who a link, a lease or a rule belongs to.
public struct Owner: Hashable, Sendable {
  public var network: NetworkName
  public var container: ContainerID
  public var interface: InterfaceName

  public init(network: NetworkName, container: ContainerID, interface: InterfaceName) {
    self.network = network
    self.container = container
    self.interface = interface
  }

  /// What marks links of this attachment: `cni:NETWORK/CONTAINER/INTERFACE`, what is too long for an alias by a hash.
  public var tag: String {
    let start = Owner.tagPrefix(network), rest = "\(container)/\(interface)"
    return start + (start.utf8.count + rest.utf8.count <= Owner.longestAlias ? rest : Owner.hash(rest))
  }

  /// `nil` for other texts, and where something of it is a hash.
  public init?(tag: String) {
    guard tag.hasPrefix(Owner.tagPrefix) else { return nil }
    let parts = tag.dropFirst(Owner.tagPrefix.count).split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 3, let network = NetworkName(String(parts[0])),
      let container = ContainerID(String(parts[1])), let interface = InterfaceName(String(parts[2]))
    else { return nil }
    self.init(network: network, container: container, interface: interface)
  }

  /// The start of every tag of `network`.
  public static func tagPrefix(_ network: NetworkName) -> String {
    let whole = "\(tagPrefix)\(network)/"
    return whole.utf8.count + hash("").utf8.count <= longestAlias
      ? whole : "\(tagPrefix)\(hash(network.description))/"
  }

  /// The kernel's IFALIASZ, less the zero at the end.
  private static let longestAlias = 255

  /// No name begins so.
  private static func hash(_ text: String) -> String { "#" + shortHash(text) }

  /// The start of every tag.
  public static let tagPrefix = "cni:"
}

extension Owner {
  /// The name of the attachment's end on the host: `veth`, three characters for the network, eight for the attachment.
  ///
  /// Derived, so that DEL finds the link with nothing but the three names.
  public var hostInterface: InterfaceName {
    derivedName(Owner.hostInterfacePrefix(network) + base32(mixed("\(container)\0\(interface)\0\(network)"), count: 8))
  }

  /// What the host ends of all of `network`'s attachments begin with; another network's may too.
  public static func hostInterfacePrefix(_ network: NetworkName) -> String {
    "veth" + base32(mixed(network.description), count: 3)
  }
}

extension Owner {
  /// The name of the host's own link into `network`, where it cannot use the containers' links: `macv`, eleven
  /// characters.
  public static func hostLink(_ network: NetworkName) -> InterfaceName {
    derivedName("macv" + base32(mixed(network.description), count: 11))
  }

  /// The hardware address of that link over a parent with the address `parent`, the same whenever it is made anew.
  public static func hostLinkAddress(_ network: NetworkName, over parent: MACAddress) -> MACAddress {
    MACAddress(locallyAdministered: mixed("\(network)\0\(parent)"))
  }

  /// A number that stands for the attachment where there is room for no more, one of `numbers`.
  public var number: Int {
    Owner.numbers.lowerBound + Int(mixed("\(container)\0\(interface)\0\(network)") % UInt64(Owner.numbers.count))
  }

  /// Larger than what people and the kernel choose for themselves, a route's metric for one.
  public static let numbers = 1 << 30..<1 << 31
}

extension Owner {
  /// 13 characters that stand for a text too long for its place.
  public static func shortHash(_ text: String) -> String { base32(mixed(text), count: 13) }
}

private func derivedName(_ text: String) -> InterfaceName {
  guard let name = InterfaceName(text) else { preconditionFailure("\(text) is not an interface name") }
  return name
}

/// FNV-1a of the UTF-8 bytes, its bits then mixed so that any of them can be taken.
private func mixed(_ text: String) -> UInt64 {
  var value: UInt64 = 0xCBF2_9CE4_8422_2325
  for byte in text.utf8 { value = (value ^ UInt64(byte)) &* 0x100_0000_01B3 }
  value = (value ^ value >> 33) &* 0xFF51_AFD7_ED55_8CCD
  value = (value ^ value >> 33) &* 0xC4CE_B9FE_1A85_EC53
  return value ^ value >> 33
}

/// The low bits as `count` characters of RFC 4648's alphabet, lower case.
private func base32(_ value: UInt64, count: Int) -> String {
  let alphabet = Array("abcdefghijklmnopqrstuvwxyz234567")
  return String((0..<count).map { alphabet[Int(value >> UInt64(5 * $0) & 31)] })
}
