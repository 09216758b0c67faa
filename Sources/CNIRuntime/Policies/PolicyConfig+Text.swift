public import CNI
import NetTypes
public import PacketFilter
public import PluginKit

extension PolicyConfig {
  /// The key `policy` as it is written in a configuration.
  public var json: JSONValue {
    guard ingress != nil || egress != nil else { return logged(["default": "allow"]) }
    return logged([
      "ingress": .array((ingress ?? [.init(.anyone)]).map { $0.json("from") }),
      "egress": .array((egress ?? [.init(.anyone)]).map { $0.json("to") }),
    ])
  }

  private func logged(_ members: [String: JSONValue?]) -> JSONValue {
    var members = members
    if let logGroup {
      members["log"] = .bool(true)
      if logGroup != 0 { members["logGroup"] = .integer(Int64(logGroup)) }
    }
    return .record(members)
  }
}

extension Policy.Permission {
  fileprivate func json(_ key: String) -> JSONValue {
    .record([key: peer.json, "ports": .nonEmptyTexts(ports)])
  }

  /// The entry in the words of the configuration: `ingress from network front ports 514/tcp`.
  public func text(_ direction: Policy.Direction) -> String {
    let ports = ports.isEmpty ? "" : " ports \(ports.map(\.description).joined(separator: ", "))"
    return "\(direction) \(direction == .ingress ? "from" : "to") \(peer.text)\(ports)"
  }
}

extension Policy {
  /// A direction of connections, seen from the container with the policy.
  public enum Direction: String, CaseIterable, Sendable, CustomStringConvertible {
    case ingress, egress

    public var description: String { rawValue }
  }

  /// The entries of one direction; `nil`: it is not limited.
  public func permissions(_ direction: Direction) -> [Permission]? { direction == .ingress ? ingress : egress }
}

extension Policy.Peer {
  fileprivate var json: JSONValue? {
    switch self {
    case .anyone: nil
    case .network(let name): .object(["network": .string(name.description)])
    case .label(let label): .object(["label": .string(label.description)])
    case .prefix(let prefix): .object(["cidr": .string(prefix.description)])
    }
  }

  /// `network front`, `label tier=web`, `cidr 192.0.2.0/24`, `anyone`.
  public var text: String {
    switch self {
    case .anyone: "anyone"
    case .network(let name): "network \(name)"
    case .label(let label): "label \(label)"
    case .prefix(let prefix): "cidr \(prefix)"
    }
  }
}
