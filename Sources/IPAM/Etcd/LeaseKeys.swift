public import CNI
import Etcd
public import NetTypes

/// A host's name in leases.
public struct NodeName: TextCodable {
  public static let expectedForm = "a letter or digit, then letters, digits, '_', '.' or '-'"
  public let description: String
  public init?(_ text: String) {
    guard let checked = ContainerID(text) else { return nil }
    description = checked.description
  }
}

/// The keys of a network's leases in etcd, for one host.
///
/// ```
/// PREFIX/NETWORK/addresses/10.0.0.5                      its holder; this key decides
/// PREFIX/NETWORK/attachments/NODE/CONTAINER:INTERFACE    the addresses of an attachment
/// PREFIX/NETWORK/blocks/10.0.0.64-26                     the host that uses this block first
/// PREFIX/NETWORK/nodes/NODE/10.0.0.64-26                 the same, to be found by host
/// ```
public struct LeaseKeys: Hashable, Sendable {
  public var network: NetworkName
  public var node: NodeName
  private var root: String

  /// - Parameters:
  ///   - prefix: without a slash at its end.
  ///   - network: the network of the leases.
  ///   - node: the host of the attachments.
  public init(prefix: String, network: NetworkName, node: NodeName) {
    self.network = network
    self.node = node
    root = "\(prefix)/\(network)"
  }

  func address(_ address: IPAddress) -> String { "\(root)/addresses/\(address)" }

  /// The common prefix of the keys of all addresses in an IPv4 /24.
  func addressesInSubnet24(of address: IPAddress) -> EtcdKeys {
    let text = address.description
    return .prefixed("\(root)/addresses/\(text[...(text.lastIndex(of: ".") ?? text.startIndex)])")
  }

  /// The address in a key.
  func address(of key: String) -> IPAddress? {
    key.lastIndex(of: "/").flatMap { IPAddress(String(key[key.index(after: $0)...])) }
  }

  /// The common prefix of the keys of this host's attachments.
  var attachments: String { "\(root)/attachments/\(node)/" }

  func attachment(_ holder: AttachmentKey) -> String { "\(attachments)\(holder.container):\(holder.interface)" }

  /// The attachment in a key.
  func attachment(of key: String) -> AttachmentKey? {
    guard key.hasPrefix(attachments) else { return nil }
    let parts = key.dropFirst(attachments.count).split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2 else { return nil }
    return AttachmentKey(container: String(parts[0]), interface: String(parts[1]))
  }

  func block(_ block: IPPrefix) -> String { "\(root)/blocks/\(name(of: block))" }

  /// The common prefix of the keys of this host's blocks.
  var ownBlocks: String { "\(root)/nodes/\(node)/" }

  func ownBlock(_ block: IPPrefix) -> String { ownBlocks + name(of: block) }

  private func name(of block: IPPrefix) -> String { "\(block.address)-\(block.length)" }

  /// The block in a key of `ownBlocks`.
  func block(of key: String) -> IPPrefix? {
    guard key.hasPrefix(ownBlocks) else { return nil }
    return IPPrefix(key.dropFirst(ownBlocks.count).split(separator: "-").joined(separator: "/"))
  }
}

/// A container and its interface.
struct AttachmentKey: Hashable, Sendable {
  var container: String
  var interface: String

  init(container: String, interface: String) {
    self.container = container
    self.interface = interface
  }

  init(_ owner: AttachmentID) {
    container = owner.container.description
    interface = owner.interface.description
  }
}
