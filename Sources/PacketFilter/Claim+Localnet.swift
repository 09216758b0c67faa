public import NetTypes

extension Claim {
  /// The host's links that need `route_localnet` = 1 for the claim's published ports, without duplicates.
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
