import Foundation
import LabSupport
import Testing

/// Networks of an application and a network that only takes their logs.
@Suite(.needsRoot)
struct PolicyStoryTests {
  private enum Tier: Int, CaseIterable {
    case front = 1
    case app, db, mgmt

    /// What an operator writes at the key `policy`.
    var policy: String {
      let log = #"{"to": {"network": "mgmt"}, "ports": ["514/udp", "514/tcp"]}"#
      switch self {
      case .front: return #"{"egress": [{"to": {"network": "app"}, "ports": ["8080/tcp"]}, \#(log)]}"#
      case .app:
        return #"""
          {"ingress": [{"from": {"network": "front"}, "ports": ["8080/tcp"]}],
           "egress": [{"to": {"network": "db"}, "ports": ["5432/tcp"]}, \#(log)]}
          """#
      case .db:
        return #"{"ingress": [{"from": {"network": "app"}, "ports": ["5432/tcp"]}], "egress": [\#(log)]}"#
      case .mgmt:
        return #"""
          {"ingress": [{"from": {"network": "front"}, "ports": ["514/udp", "514/tcp"]},
                       {"from": {"network": "app"}, "ports": ["514/udp", "514/tcp"]},
                       {"from": {"network": "db"}, "ports": ["514/udp", "514/tcp"]}]}
          """#
      }
    }

    func mayConnect(to other: Tier, _ transport: Probe.Transport, _ port: Int) -> Bool {
      switch (self, other, transport, port) {
      case (.front, .app, .tcp, 8080), (.app, .db, .tcp, 5432): true
      case (_, .mgmt, .tcp, 514), (_, .mgmt, .udp, 514): true
      default: false
      }
    }
  }

  private static let ports = [22, 514, 5432, 8080]

  /// Every connection between two tiers, in both families.
  private static func expectations(_ attachments: [Network.Attachment]) -> [Expectation] {
    Expectation.ofBothFamilies { family in
      Tier.allCases.flatMap { from in
        Tier.allCases.filter { $0 != from }.flatMap { to in
          let place = Place.container(to.rawValue), address = attachments[to.rawValue - 1].addresses[family]
          return ports.flatMap { port in
            [Probe.Transport.tcp, .udp].map { transport in
              Expectation(
                .container(from.rawValue), to: address, transport, port,
                by: from.mayConnect(to: to, transport, port) ? place : nil)
            }
          } + [Expectation(.container(from.rawValue), to: address, .ping, by: nil)]
        }
      }
    }
  }

  @Test(arguments: PolicyTests.Holder.allCases)
  func `each tier reaches the next one and the log server, and nothing else`(holder: PolicyTests.Holder) throws {
    try World.use(.nftables, containers: 4) { world in
      let attachments = try Tier.allCases.map { tier in
        let policy = Tier.allCases.reduce(tier.policy) { text, other in
          text.replacingOccurrences(of: #""\#(other)""#, with: #""\#(world.lab.name)-n\#(other.rawValue)""#)
        }
        return try world.network(tier.rawValue, holder, policy: policy).add(tier.rawValue)
      }
      let servers = Tier.allCases.flatMap { tier in
        Self.ports.flatMap { port in
          [Probe.Transport.tcp, .udp].map { transport in
            let place = Place.container(tier.rawValue)
            return Server("\(place)", in: world.namespace(place), transport, port)
          }
        }
      }
      #expect(try world.complaints(Self.expectations(attachments), servers: servers) == [])
    }
  }
}

extension World {
  /// A network whose `bridge` or `firewall` has the policy.
  func network(_ number: Int, _ holder: PolicyTests.Holder, policy: String) throws -> Network {
    let key = #"{"policy": \#(policy)}"#
    return try holder == .firewall ? network(number, firewall: key) : network(number, key)
  }
}
