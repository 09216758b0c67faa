public import NetTypes

/// One attachment, which owns links, leases and rules.
public struct AttachmentID: Hashable, Sendable {
  public var network: NetworkName
  public var container: ContainerID
  public var interface: InterfaceName

  public init(network: NetworkName, container: ContainerID, interface: InterfaceName) {
    self.network = network
    self.container = container
    self.interface = interface
  }

  /// The tag on links of this attachment: `cni:NETWORK/CONTAINER/INTERFACE`; a hash replaces a part too long for an alias.
  public var tag: String {
    let start = AttachmentID.tagPrefix(network), rest = "\(container)/\(interface)"
    return start + (start.utf8.count + rest.utf8.count <= AttachmentID.longestAlias ? rest : AttachmentID.hash(rest))
  }

  /// `nil` for other texts, and if a part of the tag is a hash.
  public init?(tag: String) {
    guard tag.hasPrefix(AttachmentID.tagPrefix) else { return nil }
    let parts = tag.dropFirst(AttachmentID.tagPrefix.count).split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 3, let network = NetworkName(String(parts[0])),
      let container = ContainerID(String(parts[1])), let interface = InterfaceName(String(parts[2]))
    else { return nil }
    self.init(network: network, container: container, interface: interface)
  }

  /// The prefix that all tags of `network` share.
  public static func tagPrefix(_ network: NetworkName) -> String {
    let whole = "\(tagPrefix)\(network)/"
    return whole.utf8.count + hash("").utf8.count <= longestAlias
      ? whole : "\(tagPrefix)\(hash(network.description))/"
  }

  /// The maximum length of an alias: the kernel's IFALIASZ minus the terminating NUL.
  private static let longestAlias = 255

  /// A hash with `#`, with which no name begins.
  private static func hash(_ text: String) -> String { "#" + shortHash(text) }

  /// The prefix of every tag.
  public static let tagPrefix = "cni:"
}

extension AttachmentID {
  /// The name of the attachment's link on the host: `veth`, three characters for the network, eight for the attachment.
  ///
  /// It is derived, so that DEL finds the link from the names of network, container and interface alone.
  public var hostInterface: InterfaceName {
    derivedName(
      AttachmentID.hostInterfacePrefix(network) + base32("\(container)\0\(interface)\0\(network)", count: 8))
  }

  /// The prefix of the host links of all of `network`'s attachments; other networks may have the same one.
  public static func hostInterfacePrefix(_ network: NetworkName) -> String {
    "veth" + base32(network.description, count: 3)
  }
}

extension AttachmentID {
  /// The name of the host's own link into `network`, for networks in which it cannot use the containers' links.
  ///
  /// The form is `macv` and eleven characters.
  public static func hostMacvlan(_ network: NetworkName) -> InterfaceName {
    derivedName("macv" + base32(network.description, count: 11))
  }

  /// The MAC address of that link over a parent with the address `parent`; the same each time it is created.
  public static func hostMacvlanAddress(_ network: NetworkName, over parent: MACAddress) -> MACAddress {
    MACAddress(locallyAdministered: FNV1a("\(network)\0\(parent)").mixed)
  }

  /// A number in `numbers` for the attachment, for fields that cannot hold a name.
  public var numericID: Int {
    AttachmentID.numericIDs.lowerBound
      + Int(FNV1a("\(container)\0\(interface)\0\(network)").mixed % UInt64(AttachmentID.numericIDs.count))
  }

  /// The range is above the numbers that operators and the kernel use, for instance as a route's metric.
  public static let numericIDs = 1 << 30..<1 << 31
}

extension AttachmentID {
  /// A hash of 13 characters, for fields that are too short for the text.
  public static func shortHash(_ text: String) -> String { base32(text, count: 13) }
}

private func derivedName(_ text: String) -> InterfaceName {
  guard let name = InterfaceName(text) else { preconditionFailure("\(text) is not an interface name") }
  return name
}

/// The low bits of the text's hash as `count` characters of RFC 4648's alphabet, lower case.
private func base32(_ text: String, count: Int) -> String {
  let value = FNV1a(text).mixed, alphabet = Array("abcdefghijklmnopqrstuvwxyz234567")
  return String((0..<count).map { alphabet[Int(value >> UInt64(5 * $0) & 31)] })
}
