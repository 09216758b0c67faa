public import CNI
public import NetTypes

/// The rules that one plugin wants for one attachment: added, compared and removed together.
public struct RuleSet: Equatable, Sendable {
  public var owner: AttachmentID
  public var role: PluginRole
  public var rules: [Rule]
  /// The backend that adds the rules; `nil`: the one that fits the host.
  public var backend: Backend?
  /// The container's name, if the runtime passed one; other plugins use it for name resolution.
  public var containerName: String?
  /// The container's addresses on this interface.
  public var addresses: [IPAddress] = []

  public init(_ owner: AttachmentID, _ role: PluginRole, _ rules: [Rule], backend: Backend? = nil) {
    self.owner = owner
    self.role = role
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

  public static let expectedForm = "iptables or nftables"

  public init?(_ text: String) { self.init(rawValue: text) }

  public var description: String { rawValue }
}

/// The plugin of a chain that an attachment's rules belong to: each plugin removes its own rules only.
public enum PluginRole: String, CaseIterable, Sendable, CustomStringConvertible {
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
  /// Policies and labels: always in nf_tables, in addition to the backend of the other rules.
  case policies
  /// Rules of `service`: always in nf_tables.
  case services

  public var description: String { rawValue }
}

extension AttachmentID {
  /// The attachment that a tag names, for messages: `container c1 on network net, interface eth0`.
  public static func description(ofFilterTag tag: String) -> String {
    let parts = tag.dropFirst(AttachmentID.tagPrefix.count).split(separator: "/")
    guard tag.hasPrefix(AttachmentID.tagPrefix), parts.count == 3 else { return tag }
    return "container \(parts[1]) on network \(parts[0]), interface \(parts[2])"
  }

  /// Whether a tag belongs to this container, on any network.
  public func isSameContainer(asFilterTag tag: String) -> Bool {
    let parts = tag.dropFirst(AttachmentID.tagPrefix.count).split(separator: "/")
    return tag.hasPrefix(AttachmentID.tagPrefix) && parts.count == 3
      && parts[1] == shortened(container.description, to: 64)
  }

  /// The tag (comment) on all rules of this attachment, at most 115 bytes; nftables allows comments of up to 128.
  ///
  /// The form is `cni:NETWORK/CONTAINER/INTERFACE`. A hash replaces a network or container name that is too long.
  public var filterTag: String {
    AttachmentID.filterTagPrefix(network) + "\(shortened(container.description, to: 64))/\(interface)"
  }

  /// The prefix that the tags of all rules of that network share.
  public static func filterTagPrefix(_ network: NetworkName) -> String {
    "\(AttachmentID.tagPrefix)\(shortened(network.description, to: 30))/"
  }
}

private func shortened(_ text: String, to count: Int) -> String {
  text.utf8.count <= count ? text : "#" + AttachmentID.shortHash(text)
}

extension RuleSet {
  /// The host's links that need `route_localnet` = 1 for the rule set's published ports, without duplicates.
  public var localnetLinks: [InterfaceName] {
    var links: [InterfaceName] = []
    for case .publish(let port) in rules {
      if let link = port.localnetLink, !links.contains(link) { links.append(link) }
    }
    return links
  }
}

extension PublishedPort {
  /// The host's link that needs `route_localnet` = 1, so that the host reaches the port by 127.0.0.1; `nil`: none.
  public var localnetLink: InterfaceName? { family == .v4 ? masquerade?.link : nil }
}

extension RuleSet: JSONReadable {
  /// The rule set as the rule set's file holds it.
  public var json: JSONValue {
    .record([
      "network": .text(owner.network), "container": .text(owner.container), "interface": .text(owner.interface),
      "part": .text(role.rawValue), "rules": .array(rules.map { $0.json }), "backend": .text(backend?.rawValue),
      "name": .text(containerName), "addresses": .nonEmptyTexts(addresses),
    ])
  }

  public init(_ json: JSONReader) throws(CNIError) {
    let owner = AttachmentID(
      network: try json.required("network").parsed(), container: try json.required("container").parsed(),
      interface: try json.required("interface").parsed())
    let role = try json.required("part")
    guard let pluginRole = PluginRole(rawValue: try role.text()) else {
      throw role.refusal("network, guards, tunnels, ports, firewall, names, policies or services")
    }
    self.init(owner, pluginRole, try json.objects("rules") ?? [], backend: try json.parsed("backend"))
    containerName = try json.text("name")
    addresses = try json.parsedList("addresses") ?? []
  }
}

extension Rule: JSONReadable {
  /// An object with one member, which is named by the kind of rule.
  var json: JSONValue {
    switch self {
    case .masquerade(let rule): .object(["masquerade": rule.json])
    case .isolate(let rule): .object(["isolate": rule.json])
    case .link(let rule): .object(["link": rule.json])
    case .guardSource(let rule): .object(["guard": rule.json])
    case .guardAddresses(let rule): .object(["guardAddresses": rule.json])
    case .guardTunnel(let rule): .object(["guardTunnel": rule.json])
    case .publish(let rule): .object(["publish": rule.json])
    case .float(let rule): .object(["float": rule.json])
    case .admit(let rule): .object(["admit": rule.json])
    case .serve(let rule): .object(["serve": rule.json])
    case .pass(let rule): .object(["pass": rule.json])
    case .trust(let rule): .object(["trust": rule.json])
    case .limit(let rule): .object(["limit": rule.json])
    case .join(let rule): .object(["join": rule.json])
    case .balance(let rule): .object(["balance": rule.json])
    }
  }

  public init(_ json: JSONReader) throws(CNIError) {
    if let rule: Masquerade = try json.object("masquerade") {
      self = .masquerade(rule)
    } else if let rule: Isolation = try json.object("isolate") {
      self = .isolate(rule)
    } else if let rule: AllowedConnection = try json.object("link") {
      self = .link(rule)
    } else if let rule: SourceGuard = try json.object("guard") {
      self = .guardSource(rule)
    } else if let rule: AddressGuard = try json.object("guardAddresses") {
      self = .guardAddresses(rule)
    } else if let rule: TunnelGuard = try json.object("guardTunnel") {
      self = .guardTunnel(rule)
    } else if let rule: PublishedPort = try json.object("publish") {
      self = .publish(rule)
    } else if let rule: FloatingAddress = try json.object("float") {
      self = .float(rule)
    } else if let rule: Admission = try json.object("admit") {
      self = .admit(rule)
    } else if let rule: NameService = try json.object("serve") {
      self = .serve(rule)
    } else if let rule: Passage = try json.object("pass") {
      self = .pass(rule)
    } else if let rule: ZoneSource = try json.object("trust") {
      self = .trust(rule)
    } else if let rule: Policy = try json.object("limit") {
      self = .limit(rule)
    } else if let rule: Membership = try json.object("join") {
      self = .join(rule)
    } else if let rule: BackEnd = try json.object("balance") {
      self = .balance(rule)
    } else {
      throw json.refusal("a rule")
    }
  }
}
