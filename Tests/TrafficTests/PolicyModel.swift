import LabSupport

/// Which connections pass by `docs/policies.md`, without any rule of the kernel.
struct PolicyModel {
  enum Peer {
    case anyone
    case network(Int)
    case label
    /// The addresses of `Place.outside`.
    case outside
  }

  struct Entry {
    var peer: Peer
    /// Ports with or without a protocol; empty: everything.
    var ports: [String] = []
  }

  /// What containers of a network take and open; `nil`: everything.
  struct Policy {
    var ingress: [Entry]?
    var egress: [Entry]?
  }

  struct Container {
    var network: Int
    var hasLabel = false
  }

  /// By the numbers of containers and networks; networks without the key have no policy.
  var containers: [Int: Container]
  var policies: [Int: Policy]

  func allows(_ from: Place, _ to: Place, _ transport: Probe.Transport, _ port: Int) -> Bool {
    // What the host sends or takes is not forwarded, nor is what stays on a bridge.
    if from == .host || to == .host { return true }
    let (source, target) = (container(from), container(to))
    if let source, source.network == target?.network { return true }
    let leaves = source.flatMap { policies[$0.network]?.egress }
    let enters = target.flatMap { policies[$0.network]?.ingress }
    return allows(leaves, to, transport, port) && allows(enters, from, transport, port)
  }

  private func allows(_ list: [Entry]?, _ peer: Place, _ transport: Probe.Transport, _ port: Int) -> Bool {
    list?.contains { entry in
      names(entry.peer, peer)
        && (entry.ports.isEmpty
          || transport != .ping && entry.ports.contains { ["\(port)", "\(port)/\(transport)"].contains($0) })
    } ?? true
  }

  private func names(_ peer: Peer, _ place: Place) -> Bool {
    switch peer {
    case .anyone: true
    case .network(let number): container(place)?.network == number
    case .label: container(place).map { $0.hasLabel && policies[$0.network] != nil } ?? false
    case .outside: place == .outside
    }
  }

  private func container(_ place: Place) -> Container? {
    if case .container(let number) = place { containers[number] } else { nil }
  }
}

extension PolicyModel {
  static let label = #"{"labels": [{"key": "tier", "value": "web"}]}"#

  /// The value of the key `policy` of a network; `nil`: it does not have the key.
  func key(of network: Int, in world: World) -> String? {
    guard let policy = policies[network] else { return nil }
    guard policy.ingress != nil || policy.egress != nil else { return #"{"default": "allow"}"# }
    let lists = [("ingress", "from", policy.ingress), ("egress", "to", policy.egress)].map { name, word, entries in
      "\"\(name)\": [\((entries ?? [Entry(peer: .anyone)]).flatMap { $0.texts(word, world) }.joined(separator: ", "))]"
    }
    return "{\(lists.joined(separator: ", "))}"
  }
}

extension PolicyModel.Entry {
  fileprivate func texts(_ word: String, _ world: World) -> [String] {
    let members = ports.isEmpty ? [] : ["\"ports\": [\(ports.map { "\"\($0)\"" }.joined(separator: ", "))]"]
    return peerTexts(world).map { peer in
      let all = peer.map { ["\"\(word)\": {\($0)}"] + members } ?? members
      return "{\(all.joined(separator: ", "))}"
    }
  }

  private func peerTexts(_ world: World) -> [String?] {
    switch peer {
    case .anyone: [nil]
    case .network(let number): [#""network": "\#(world.lab.name)-n\#(number)""#]
    case .label: [#""label": "tier=web""#]
    case .outside: [#""cidr": "192.0.2.0/24""#, #""cidr": "2001:db8::/64""#]
    }
  }
}
