public import CNI
public import NetTypes

/// Selects packet filter rules of the reference plugins, which are found by their chains and comments.
///
/// Containers that the reference plugins attached keep running when our plugins replace those.
public struct ReferenceRules: Equatable, Sendable {
  public enum Scope: Equatable, Sendable {
    case attachment(AttachmentID)
    /// All attachments of a network except these.
    case network(NetworkName, except: Set<AttachmentID>)
  }

  public var scope: Scope
  /// The plugins whose rules are selected.
  public var roles: Set<PluginRole>
  /// The container's addresses, as far as known: admission rules have no other mark.
  public var addresses: [IPAddress]
  private let kept: Set<String>

  public init(_ scope: Scope, _ roles: Set<PluginRole>, addresses: [IPAddress] = []) {
    self.scope = scope
    self.roles = roles
    self.addresses = addresses
    kept =
      switch scope {
      case .attachment: []
      case .network(_, let valid):
        Set(valid.map(ReferenceNames.init).flatMap { [$0.masqueradeComment, $0.portsComment, $0.hash] })
      }
  }

  /// The names for one attachment; `nil` if the selection covers a network.
  public var names: ReferenceNames? {
    if case .attachment(let owner) = scope { ReferenceNames(owner) } else { nil }
  }

  /// Whether the selection covers an `iptables` rule with that comment (a masquerade or a published port).
  public func covers(comment: String) -> Bool {
    switch scope {
    case .attachment(let owner):
      let names = ReferenceNames(owner)
      return comment == names.masqueradeComment || comment == names.portsComment
    case .network(let network, _):
      let start = "name: \"\(network)\" id: \""
      return (comment.hasPrefix(start) || comment.hasPrefix("dnat " + start)) && !kept.contains(comment)
    }
  }

  /// Whether the selection covers a rule with that comment in the table `cni_plugins_masquerade`.
  public func covers(hashedComment comment: String) -> Bool {
    let hash = String(comment.prefix(33))
    return switch scope {
    case .attachment(let owner): hash == ReferenceNames(owner).hash
    case .network(let network, _):
      hash.hasPrefix(ReferenceNames.hash(of: network) + "-") && !kept.contains(hash)
    }
  }
}

/// The names that the reference plugins use in the packet filter for one attachment.
public struct ReferenceNames: Equatable, Sendable {
  /// In `nat`: the chain for packets that the container sends to the outside.
  public let masqueradeChain: String
  /// In `nat`: the chains of its published ports; the second name is that of old releases.
  public let portChains: [String]
  public let masqueradeComment: String
  public let portsComment: String
  /// The prefix of comments in the table `cni_plugins_masquerade`.
  public let hash: String
  /// In `bridge nat`: the chains that check the source of the container's frames.
  public let guardChains: [String]
  /// The comment of a published port in the tables `cni_hostport`; it does not name the network.
  public let container: String

  /// The chains shared by all containers, with jumps to the chains above.
  public static let portParents = ["CNI-HOSTPORT-DNAT", "CNI-HOSTPORT-SNAT"]
  public static let masqueradeParent = "POSTROUTING"
  public static let admissionChain = "CNI-FORWARD"
  /// The chain for all bridges that `ingressPolicy` isolates.
  public static let isolationChain = "CNI-ISOLATION-STAGE-1"

  public init(_ owner: AttachmentID) {
    let digest = SHA512.hex("\(owner.network)\(owner.container)")
    masqueradeChain = "CNI-" + digest.prefix(24)
    portChains = ["CNI-DN-", "CNI-SN-"].map { $0 + digest.prefix(21) }
    masqueradeComment = "name: \"\(owner.network)\" id: \"\(owner.container)\""
    let comment = "dnat \(masqueradeComment)"
    portsComment = comment.utf8.count <= 255 ? comment : comment.prefix(253) + "..."
    hash = "\(Self.hash(of: owner.network))-\(SHA512.hex("\(owner.interface):\(owner.container)").prefix(16))"
    let link = "cni-br-iface-\(owner.container)-\(owner.interface)"
    guardChains = [link, link + "-mac"]
    container = owner.container.description
  }

  static func hash(of network: NetworkName) -> String { String(SHA512.hex(network.description).prefix(16)) }
}
