extension Layout {
  /// A part of a table, present while an element needs it: base chains, the chains that they lead to, and sets.
  ///
  /// Each base chain costs every packet of the host. A part's rules look up sets of the same part only.
  enum Part: CaseIterable {
    /// The map and the chain that keep the table `inet swift_cni`.
    case owners
    /// Published ports, and packets to floating addresses.
    case publishing
    /// Packets that get another source: masquerade, return paths, floating addresses.
    case masquerading
    case nameServers
    /// Isolation and admission.
    case forwarding
    case tunnels
    /// What containers may connect to.
    case policies
    /// What the interfaces of this network namespace may connect to, if it is a container's.
    case ownPolicies
    /// Who may connect to containers on other hosts.
    case farPolicies
    /// Virtual addresses of services.
    case services
    /// The whole table `bridge swift_cni`.
    case guards

    var table: Table { self == .guards ? .bridge : .inet }

    /// Whether the part is removed only with its table.
    var isBase: Bool { self == .owners || self == .guards }

    /// In this order, a chain comes after those that its rules lead to.
    var chains: [Chain] { Layout.chains(table).filter { $0.part == self } }

    var sets: [SetSpec] { Layout.sets.filter { $0.part == self } }

    /// The chain that shows whether the part exists.
    var mainChain: String {
      switch self {
      case .owners, .guards: table.anchor
      case .publishing: "publish"
      case .masquerading: "postrouting"
      case .nameServers: "input"
      case .forwarding: "forward"
      case .tunnels: "\(tunnelPrefix)input"
      case .policies: "policies"
      case .ownPolicies: "own_input"
      case .farPolicies: "far_policies"
      case .services: "services_in"
      }
    }

    /// Changes that fail if the part has an element.
    var deletion: [RulesetChange] {
      chains.reversed().map { .deleteChain(table, $0.name) } + sets.map { .deleteSet($0) }
    }
  }
}
