public import NetTypes

extension Rule: CustomStringConvertible {
  /// The rule for messages.
  public var description: String {
    switch self {
    case .masquerade(let rule): "masquerade of \(rule.address) out of \(rule.subnet)"
    case .isolate(let rule): "isolation of bridge \(rule.links.map(\.description).joined(separator: " and "))"
    case .link(let link): "link from \(link.from) to \(link.to), port \(link.port)/\(link.transport)"
    case .guardSource(let guarded): "source address \(guarded.mac) of \(guarded.port)"
    case .guardAddresses(let guarded):
      "source addresses \(guarded.addresses.map(\.description).joined(separator: ", ")) of \(guarded.port)"
    case .guardTunnel(let tunnel):
      "UDP port \(tunnel.port) for VXLAN packets of \(tunnel.peers.map { "\($0.count) hosts" } ?? "all hosts"), not of containers"
    case .publish(let port): "\(port)"
    case .float(let floating): "floating address \(floating.external) to \(floating.target)"
    case .admit(let admission): "admission of \(admission.address)"
    case .pass(let passage): "passage of \(passage.subnet) through the host's chain FORWARD"
    case .trust(let source): "\(source)"
    case .serve(let service): "name service at \(service.address) for \(service.bridge)"
    }
  }
}

extension PublishedPort: CustomStringConvertible {
  /// `host port 192.0.2.1:8080/tcp to 10.1.0.2:80`.
  public var description: String { "host port \(hostText) to \(target.withPort(targetPort))" }

  /// `192.0.2.1:8080/tcp`, `8080/tcp`.
  public var hostText: String { (hostIP?.withPort(hostPort) ?? "\(hostPort)") + "/\(transport)" }
}

extension IPAddress {
  /// `10.1.0.2:80`, `[fd00::2]:80`.
  public func withPort(_ port: UInt16) -> String { family == .v4 ? "\(self):\(port)" : "[\(self)]:\(port)" }
}
