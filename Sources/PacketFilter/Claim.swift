public import CNI
public import NetTypes

/// The rules that one plugin wants for one attachment: added, compared and removed together.
public struct Claim: Equatable, Sendable {
  public var owner: Owner
  public var part: Part
  public var rules: [Rule]
  /// The backend that adds the rules; `nil`: the one that fits the host.
  public var backend: Backend?
  /// The container's name, if the runtime passed one; other plugins use it for name resolution.
  public var containerName: String?
  /// The container's addresses on this interface.
  public var addresses: [IPAddress] = []

  public init(_ owner: Owner, _ part: Part, _ rules: [Rule], backend: Backend? = nil) {
    self.owner = owner
    self.part = part
    self.rules = rules
    self.backend = backend
  }
}

/// The backend that holds the rules.
public enum Backend: String, TextCodable, CaseIterable {
  /// The tables that the `iptables` command shows: legacy tables (libiptc), or those of `iptables-nft` in nf_tables.
  case iptables
  /// Our own tables in nf_tables, changed by libnftables.
  case nftables

  public static let wanted = "iptables or nftables"

  public init?(_ text: String) { self.init(rawValue: text) }

  public var description: String { rawValue }
}

/// The plugin of a chain that an attachment's rules belong to: each plugin removes its own rules only.
public enum Part: String, CaseIterable, Sendable {
  /// Rules of the main plugin: `bridge`, `ptp` and so on.
  case network
  /// Frame rules of the main plugin: always in nf_tables, in addition to the backend of the other rules.
  case guards
  /// Rules of `overlay-vxlan` for a network's tunnel on this host: no container owns them; they go with the tunnel.
  case tunnels
  /// Rules of `portmap`.
  case ports
  /// Rules of `firewall`.
  case firewall
  /// Rules of `dns-hosts`.
  case names
}

extension Owner {
  /// The attachment that a tag names, for messages: `container c1 on network net, interface eth0`.
  public static func words(ofFilterTag tag: String) -> String {
    let parts = tag.dropFirst(Owner.tagPrefix.count).split(separator: "/")
    guard tag.hasPrefix(Owner.tagPrefix), parts.count == 3 else { return tag }
    return "container \(parts[1]) on network \(parts[0]), interface \(parts[2])"
  }

  /// Whether a tag belongs to this container, on any network.
  public func isSameContainer(asFilterTag tag: String) -> Bool {
    let parts = tag.dropFirst(Owner.tagPrefix.count).split(separator: "/")
    return tag.hasPrefix(Owner.tagPrefix) && parts.count == 3 && parts[1] == shortened(container.description, to: 64)
  }

  /// The tag (comment) on all rules of this attachment, at most 115 bytes; nftables allows comments of up to 128.
  ///
  /// The form is `cni:NETWORK/CONTAINER/INTERFACE`. A hash replaces a network or container name that is too long.
  public var filterTag: String {
    Owner.filterTagPrefix(network) + "\(shortened(container.description, to: 64))/\(interface)"
  }

  /// The prefix that the tags of all rules of that network share.
  public static func filterTagPrefix(_ network: NetworkName) -> String {
    "\(Owner.tagPrefix)\(shortened(network.description, to: 30))/"
  }
}

private func shortened(_ text: String, to count: Int) -> String {
  text.utf8.count <= count ? text : "#" + Owner.shortHash(text)
}
