public import CNI
public import NetTypes

/// The rules that one plugin wants for one attachment: added, compared and removed together.
public struct Claim: Equatable, Sendable {
  public var owner: Owner
  public var part: Part
  public var rules: [Rule]
  /// Which backend they go to; `nil`: the host's.
  public var backend: Backend?
  /// How the container is called, where the runtime told; for others that want to reach it.
  public var containerName: String?
  /// The container's, on this interface.
  public var addresses: [IPAddress] = []

  public init(_ owner: Owner, _ part: Part, _ rules: [Rule], backend: Backend? = nil) {
    self.owner = owner
    self.part = part
    self.rules = rules
    self.backend = backend
  }
}

/// What makes rules so.
public enum Backend: String, TextCodable, CaseIterable {
  /// The legacy tables, by libiptc.
  case iptables
  /// nf_tables, by libnftables.
  case nftables

  public static let wanted = "iptables or nftables"

  public init?(_ text: String) { self.init(rawValue: text) }

  public var description: String { rawValue }
}

/// Which plugin of a chain an attachment's rules belong to, so that each removes its own only.
public enum Part: String, CaseIterable, Sendable {
  /// The main plugin's: `bridge` and its like.
  case network
  /// The main plugin's too, of frames: always made by nf_tables, beside what the host has.
  case guards
  /// `overlay-vxlan`'s, of a network's tunnel on this host: they belong to no container, and are removed with the tunnel.
  case tunnels
  /// `portmap`'s.
  case ports
  /// `firewall`'s.
  case firewall
  /// `dns-hosts`'.
  case names
}

extension Owner {
  /// Whom a tag names, for a person: `container c1 on network net, interface eth0`.
  public static func words(ofFilterTag tag: String) -> String {
    let parts = tag.dropFirst(Owner.tagPrefix.count).split(separator: "/")
    guard tag.hasPrefix(Owner.tagPrefix), parts.count == 3 else { return tag }
    return "container \(parts[1]) on network \(parts[0]), interface \(parts[2])"
  }

  /// Whether a tag is one of this container's, whatever the network.
  public func isSameContainer(asFilterTag tag: String) -> Bool {
    let parts = tag.dropFirst(Owner.tagPrefix.count).split(separator: "/")
    return tag.hasPrefix(Owner.tagPrefix) && parts.count == 3 && parts[1] == shortened(container.description, to: 64)
  }

  /// What marks rules of this attachment; at most 115 bytes, for nftables takes no longer comment than 128.
  ///
  /// `cni:NETWORK/CONTAINER/INTERFACE`, a network or container with a longer name by a hash of it.
  public var filterTag: String {
    Owner.filterTagPrefix(network) + "\(shortened(container.description, to: 64))/\(interface)"
  }

  /// The start of every tag of that network's rules.
  public static func filterTagPrefix(_ network: NetworkName) -> String {
    "\(Owner.tagPrefix)\(shortened(network.description, to: 30))/"
  }
}

private func shortened(_ text: String, to count: Int) -> String {
  text.utf8.count <= count ? text : "#" + Owner.shortHash(text)
}
