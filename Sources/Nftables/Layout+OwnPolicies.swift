import NetTypes
import PacketFilter

/// Policies of a container whose packets do not pass the host: in its own network namespace.
extension Layout {
  /// The container's interface: chain that limits its connections.
  static func ownLimits(_ side: PolicySide) -> SetSpec {
    SetSpec(.ownPolicies, "own_limits_\(side)", key: [.interface], value: .verdict)
  }

  static var ownChains: [Chain] {
    let incoming: NftRule = [.verdict([.link(.incoming)], ownLimits(.ingress))]
    let outgoing: NftRule = [.verdict([.link(.outgoing)], ownLimits(.egress))]
    let rules: [(Hook.Point, [NftRule])] = [
      (.input, [incoming]), (.output, [outgoing]), (.forward, [incoming, outgoing]),
    ]
    return rules.map { point, rules in
      Chain(
        part: .ownPolicies, name: "own_\(point.rawValue)", hook: Hook(.filter, point, -10),
        rules: [[.established, .accept]] + rules)
    }
  }
}

extension PolicySide {
  /// Rules for what IPv6 does not work without, and for the packets of a DHCP client.
  func unlimitedInContainer(_ policy: Policy) -> [NftRule] {
    let dhcp: [NftRule] = IPFamily.allCases.map { family in
      let (client, server): (UInt16, UInt16) = family == .v4 ? (68, 67) : (546, 547)
      let ports: Statement = self == .egress ? .udpPorts(from: client, to: server) : .udpPorts(from: server, to: client)
      return [.family(family), ports, .returnToCaller]
    }
    return [[.icmpv6Types(ICMPv6Type.allCases), .returnToCaller]] + (policy.usesDHCP ? dhcp : [])
  }
}

/// ICMPv6 packets with which hosts and routers of one link find each other.
enum ICMPv6Type: String, CaseIterable {
  case listenerQuery = "mld-listener-query"
  case listenerReport = "mld-listener-report"
  case listenerDone = "mld-listener-done"
  case routerSolicitation = "nd-router-solicit"
  case routerAdvertisement = "nd-router-advert"
  case neighbourSolicitation = "nd-neighbor-solicit"
  case neighbourAdvertisement = "nd-neighbor-advert"
  case redirect = "nd-redirect"
  case listenerReportV2 = "mld2-listener-report"

  var number: UInt8 {
    switch self {
    case .listenerQuery: 130
    case .listenerReport: 131
    case .listenerDone: 132
    case .routerSolicitation: 133
    case .routerAdvertisement: 134
    case .neighbourSolicitation: 135
    case .neighbourAdvertisement: 136
    case .redirect: 137
    case .listenerReportV2: 143
    }
  }
}
