import CNI
import LabSupport
import Testing

/// The packet filter backend, by its name in configurations.
enum Backend: String, CaseIterable, Sendable, CustomTestStringConvertible {
  case iptables, nftables

  var testDescription: String { rawValue }
}

/// A place from which probes are sent and at which servers listen.
enum Place: Hashable, CustomStringConvertible {
  /// A machine at the host's uplink.
  case outside
  case host
  /// A machine on another link of the host, with the host as its router.
  case behind
  case container(Int)

  var description: String {
    switch self {
    case .outside: "outside"
    case .host: "host"
    case .behind: "behind"
    case .container(let number): "c\(number)"
    }
  }
}

/// A host that routes, with neighbours and containers; all have addresses of both families.
///
/// `outside` and `behind` have routes to the containers, so that only a rule can block their packets.
struct World: Sendable {
  let lab: Lab
  let backend: Backend

  /// The address of a machine in each family.
  static let outside = ["192.0.2.1", "2001:db8::1"]
  static let host = ["192.0.2.2", "2001:db8::2"]
  static let secondHostAddress = ["192.0.2.3", "2001:db8::3"]
  static let hostBehind = ["198.51.100.1", "2001:db8:1::1"]
  static let behind = ["198.51.100.2", "2001:db8:1::2"]

  /// Runs `body` in a new world, which is removed afterwards; its networks use `backend`.
  ///
  /// `filtersBridges`: whether br_netfilter passes bridged frames to the packet filter.
  static func use(
    _ backend: Backend, containers: Int = 2, filtersBridges: Bool = false, _ body: (World) throws -> Void
  ) throws {
    try Lab.use(containers: containers) { lab in
      let world = World(lab: lab, backend: backend)
      try lab.shell(world.wiring)
      let seen = World(lab: try lab.withOwnState(), backend: backend)
      let isOn = filtersBridges ? 1 : 0
      try seen.shell(
        """
        for key in call-iptables call-ip6tables; do echo \(isOn) > /proc/sys/net/bridge/bridge-nf-$key; done
        echo 1 > /proc/sys/net/ipv4/ip_forward
        echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
        """)
      try body(seen)
    }
  }

  func namespace(_ place: Place) -> String { "\(lab.name)-\(place == .host ? "h" : "\(place)")" }

  /// The output of a script on the host, which must succeed.
  @discardableResult
  func shell(_ script: String) throws -> String { try lab.shell(script, in: lab.host) }

  private var wiring: String {
    let host = lab.host, outside = namespace(.outside), behind = namespace(.behind)
    return """
      ip netns add \(outside); ip netns add \(behind)
      ip link add uplink netns \(host) type veth peer name eth0 netns \(outside)
      ip link add lan netns \(host) type veth peer name eth0 netns \(behind)
      address() {
        namespace=$1 link=$2; shift 2
        ip -n $namespace link set $link up
        for a in $@; do ip -n $namespace address add $a dev $link nodad; done
      }
      address \(outside) eth0 192.0.2.1/24 2001:db8::1/64
      address \(behind) eth0 198.51.100.2/24 2001:db8:1::2/64
      address \(host) uplink 192.0.2.2/24 192.0.2.3/24 2001:db8::2/64 2001:db8::3/64
      # IPv6 would choose the nearest of two as its source.
      ip -n \(host) address change 2001:db8::3/64 dev uplink preferred_lft 0
      address \(host) lan 198.51.100.1/24 2001:db8:1::1/64
      ip -n \(host) route add default via 192.0.2.1
      ip -n \(host) -6 route add default via 2001:db8::1
      ip -n \(behind) route add default via 198.51.100.1
      ip -n \(behind) -6 route add default via 2001:db8:1::1
      for to in 10.77.0.0/16 198.51.100.0/24; do ip -n \(outside) route add $to via 192.0.2.2; done
      for to in fd77::/16 2001:db8:1::/64; do ip -n \(outside) -6 route add $to via 2001:db8::2; done
      """
  }
}
