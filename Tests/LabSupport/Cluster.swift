import Foundation

/// Several hosts on one Ethernet switch, each of them a lab with its own state; the switch is a namespace with a bridge.
///
/// Host `n` (from 0) has `eth0` on the switch with 172.30.0.1`n+1`/24 and fd30::1`n+1`/64. Its port there is `p`n, a port
/// of the bridge `br0`.
public struct Cluster: Sendable {
  /// Part of each name that the cluster creates.
  public let name: String
  public let hosts: [Lab]
  private let fabricLab: Lab

  /// The switch's namespace; its addresses 172.30.0.1 and fd30::1 are the gateways of hosts with a default route.
  public var fabric: String { fabricLab.host }

  /// Runs `body` with a new cluster, which is removed afterwards, also after an error.
  ///
  /// `mtu` is the underlay's, in bytes; default routes use the switch as gateway; `state` names further directories, such
  /// as `/etc/frr`, that each host has for itself, empty at first.
  public static func use<Value>(
    hosts: Int = 3, containers: Int = 3, mtu: Int = 1500, defaultRoutes: Bool = false, state: [String] = [],
    _ body: (Cluster) throws -> Value
  ) throws -> Value {
    let name = Lab.freshName()
    let fabric = Lab(named: "\(name)-f", containers: 0)
    let labs = (0..<hosts).map { Lab(named: "\(name)-\($0)", containers: containers) }
    defer { for lab in labs + [fabric] { lab.remove() } }
    for lab in [fabric] + labs { try lab.setUp() }
    try fabric.shell(
      """
      ip link add br0 type bridge
      ip address add 172.30.0.1/24 dev br0 && ip address add fd30::1/64 dev br0 nodad
      ip link set br0 mtu \(mtu) up
      """, in: fabric.host)
    let made = try labs.map { try $0.withOwnState(state) }
    let cluster = Cluster(name: name, hosts: made, fabricLab: fabric)
    for index in made.indices { try cluster.wire(index, mtu: mtu, defaultRoutes: defaultRoutes) }
    return try body(cluster)
  }

  private func wire(_ index: Int, mtu: Int, defaultRoutes: Bool) throws {
    let host = hosts[index].host
    try fabricLab.shell(
      """
      ip link add p\(index) mtu \(mtu) type veth peer name eth0 mtu \(mtu) netns \(fabricLab.path(host))
      ip link set p\(index) master br0 up
      """, in: fabric)
    try fabricLab.shell(
      """
      ip address add \(underlay(index, .v4))/24 dev eth0
      ip address add \(underlay(index, .v6))/64 dev eth0 nodad
      ip link set eth0 up
      # The kernel finishes an address some time after the link is up.
      until [ -n "$(ip -6 route show table local \(underlay(index, .v6)))" ]; do sleep 0.01; done
      if \(defaultRoutes); then ip route add default via 172.30.0.1; ip -6 route add default via fd30::1; fi
      """, in: host)
  }

  /// The address of a host on the switch.
  public func underlay(_ index: Int, _ family: Lab.IPFamilyFlag = .v4) -> String {
    switch family {
    case .v4: "172.30.0.\(11 + index)"
    case .v6: "fd30::\(11 + index)"
    }
  }

  /// Makes the switch a router for one host with a default route, which is then alone behind its port.
  ///
  /// That host keeps its addresses; the other hosts also reach it through the router.
  public func putBehindRouter(_ index: Int) throws {
    try fabricLab.shell(
      """
      sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
      ip link set p\(index) nomaster
      ip address add 172.30.1.1/32 dev p\(index) && ip address add fd31::1/128 dev p\(index) nodad
      ip route add \(underlay(index, .v4))/32 dev p\(index)
      ip -6 route add \(underlay(index, .v6))/128 dev p\(index)
      """, in: fabric)
    try fabricLab.shell(
      """
      ip address flush dev eth0 scope global
      ip address add \(underlay(index, .v4))/32 dev eth0
      ip address add \(underlay(index, .v6))/128 dev eth0 nodad
      ip route replace default via 172.30.1.1 dev eth0 onlink
      ip -6 route replace default via fd31::1 dev eth0 onlink
      """, in: hosts[index].host)
    for other in hosts.indices where other != index {
      try fabricLab.shell(
        """
        ip route add \(underlay(index, .v4))/32 via 172.30.0.1
        ip -6 route add \(underlay(index, .v6))/128 via fd30::1
        """, in: hosts[other].host)
    }
  }

  /// The output of a shell script on the switch, which must succeed.
  @discardableResult
  public func onSwitch(_ script: String) throws -> String { try fabricLab.shell(script, in: fabric) }

  /// Disconnects a host from the switch, or connects it again.
  public func setLink(of index: Int, up isUp: Bool) throws {
    try fabricLab.shell("ip link set p\(index) \(isUp ? "up" : "down")", in: fabric)
  }

  /// Ends all processes of a host and its containers, and removes the host.
  public func kill(_ index: Int) throws {
    let lab = hosts[index]
    let names = [lab.host] + (0..<lab.containerCount).map { lab.container($0 + 1) }
    let pids = try fabricLab.shell(names.map { "ip netns pids \($0)" }.joined(separator: "\n"))
      .split(separator: "\n").joined(separator: " ")
    try fabricLab.shell(
      """
      if [ -n "\(pids)" ]; then kill -KILL \(pids) || true; fi
      kill $(cat \(lab.directory)/holder) && rm \(lab.directory)/holder
      for n in \(names.joined(separator: " ")); do ip netns del $n; done
      """)
    // The kernel removes a namespace some time after its last name.
    try fabricLab.shell("while ip link show p\(index) > /dev/null 2>&1; do sleep 0.05; done", in: fabric)
  }

  /// The frames on a link while `script` runs in another namespace of any host; the script may fail.
  public func frames(
    on link: String, in namespace: String, while script: String, in other: String
  ) throws -> [Frame] {
    // Runs in the fabric's mount namespace: a host sees only its own namespaces.
    try fabricLab.frames(on: link, in: namespace, while: script, in: other)
  }

  /// Sends all probes at the same time while `servers` listen, anywhere in the cluster.
  public func answers(to probes: [Probe], servers: [Server] = []) throws -> [Probe.Answer] {
    try fabricLab.answers(to: probes, servers: servers)
  }
}
