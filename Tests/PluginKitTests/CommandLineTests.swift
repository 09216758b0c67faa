import CNI
import Kernel
import NetTypes
import PacketFilter
import TestSupport
import Testing

/// Changes as equal commands.
@Suite struct CommandLineTests {
  private func lines(_ change: Change, in path: String = "/run/netns/c1", peerPath: String? = nil) throws -> [String] {
    try CommandLines(container: path, peerPath: peerPath).lines(of: change) { ruleSet in
      ["rules of \(ruleSet.owner.tag)"]
    }
  }

  @Test(arguments: [
    ("/run/netns/c1", "ip -n c1 link set dev lo up"), ("/var/run/netns/c 1", "ip -n 'c 1' link set dev lo up"),
    ("/proc/42/ns/net", "nsenter --net=/proc/42/ns/net ip link set dev lo up"),
    ("/run/netns/a/b", "nsenter --net=/run/netns/a/b ip link set dev lo up"),
  ])
  func `commands use the namespace's name if ip has one, else its path`(path: String, line: String) throws {
    #expect(try lines(.changeLink("lo", on: .container, LinkChange(isUp: true)), in: path) == [line])
  }

  @Test func `commands for the host run in the outside namespace if one is set`() throws {
    let veth = LinkSpec("veth1", kind: .veth(peer: .init(name: "eth0")))
    #expect(
      try lines(.createLink(veth), in: "/proc/7/ns/net", peerPath: "/run/netns/o") == [
        "ip -n o link add veth1 type veth peer name eth0 netns /proc/7/ns/net"
      ])
    #expect(
      try lines(.setSysctls([Sysctl("net/ipv4/conf/a.1/forwarding", "1", isOptional: true)], on: .host), peerPath: "/x")
        == ["nsenter --net=/x sysctl -w net/ipv4/conf/a.1/forwarding=1 || true"])
  }

  static let links: [(LinkSpec, [String])] = [
    (
      LinkSpec(
        "eth0", kind: .childLink(.macvlan(Macvlan(.bridge, broadcastQueue: 9)), over: LinkKey("up0", on: .host)),
        mtu: 1400, on: .container),
      ["ip link add link up0 name eth0 mtu 1400 netns c1 type macvlan mode bridge bcqueuelen 9"]
    ),
    (
      LinkSpec("eth0", kind: .childLink(.ipvlan(IPVLAN(.l3s)), over: LinkKey("up0", on: .container)), on: .container),
      ["ip -n c1 link add link up0 name eth0 type ipvlan mode l3s bridge"]
    ),
    (
      LinkSpec("eth0", kind: .childLink(.vlan(7), over: LinkKey("up0", on: .host)), on: .container),
      ["ip link add link up0 name eth0 netns c1 type vlan id 7"]
    ),
    (
      LinkSpec("eth0", kind: .dummy, alias: "a b", on: .container),
      ["ip -n c1 link add eth0 type dummy", "ip -n c1 link set dev eth0 alias 'a b'"]
    ),
    (LinkSpec("red", kind: .vrf(table: 9)), ["ip link add red type vrf table 9"]),
    (
      LinkSpec("br0", kind: .bridge(filtersVLANs: true)),
      [
        "ip link add br0 type bridge vlan_filtering 1",
        "ip link set dev br0 type bridge fdb_max_learned 4096 2>/dev/null || true  # ip of iproute2 6.8 or later",
      ]
    ),
  ]

  @Test(arguments: links) func `a link is made by ip link add`(spec: LinkSpec, expected: [String]) throws {
    #expect(try lines(.createLink(spec)) == expected)
  }

  static let others: [(Change, [String])] = [
    (
      .setVLANs(PortVLANs(native: VLANID(5), tagged: [], keepsDefault: false), on: "p"),
      ["bridge vlan add dev p vid 5 pvid untagged", "bridge vlan delete dev p vid 1 || true"]
    ),
    (
      .setFDB(FDBSpec("02:00:00:00:00:01", on: "p", in: .port)),
      ["bridge fdb replace 02:00:00:00:00:01 dev p master static sticky"]
    ),
    (
      .setFDB(FDBSpec("00:00:00:00:00:00", on: "vx", in: .tunnel(to: "192.0.2.9"))),
      ["bridge fdb append 00:00:00:00:00:00 dev vx dst 192.0.2.9 self permanent"]
    ),
    (
      .deleteFDB(FDBSpec("02:00:00:00:00:01", on: "p", in: .externallyLearned)),
      ["bridge fdb delete 02:00:00:00:00:01 dev p master"]
    ),
    (.setNeighbour(NeighbourSpec("10.0.0.1", mac: nil, on: "p", .host)), ["ip neighbour replace proxy 10.0.0.1 dev p"]),
    (
      .setNeighbour(NeighbourSpec("10.0.0.1", mac: "02:00:00:00:00:01", on: "p", .container)),
      ["ip -n c1 neighbour replace 10.0.0.1 lladdr 02:00:00:00:00:01 dev p nud permanent"]
    ),
    (.setChecksumOffload("vx", isOn: false), ["ethtool -K vx tx off"]),
    (
      .addAddress(AddressSpec("fd00::1/64", on: "p", .host, isSource: false, addsSubnetRoute: false)),
      ["ip address add fd00::1/64 dev p nodad preferred_lft 0 noprefixroute"]
    ),
    (
      .addRoute(RouteSpec("::/0", via: "fd00::1", on: "eth0", .container)),
      ["ip -n c1 route prepend ::/0 via fd00::1 dev eth0"]
    ),
    (.addLoopbackRoute("p"), ["ip -6 route add local ::1 dev p table local || true"]),
    (
      .deleteConntrackEntries([ConntrackFilter(.udp, .v4, to: "192.0.2.1", 53)]),
      ["conntrack -D -f ipv4 -p udp --orig-dst 192.0.2.1 --orig-port-dst 53 || true"]
    ),
    (.awaitRunning("p"), ["# wait until p runs"]),
    (.deleteUnusedBridge("br0"), ["# delete bridge br0 if it has no ports"]),
  ]

  @Test(arguments: others) func `each change is printed as its command`(change: Change, expected: [String]) throws {
    #expect(try lines(change) == expected)
  }

  @Test func `rules keep their order, and entries of tables are sorted`() throws {
    let owner = AttachmentID(
      network: "n", container: "c", interface: "eth0")
    let entries = (["10.0.0.2", "10.0.0.1"] as [IPAddress]).map {
      Change.setNeighbour(NeighbourSpec($0, mac: "02:00:00:00:00:01", on: "p", .host))
    }
    let found = try CommandLines(container: nil).lines(of: [.addRules(RuleSet(owner, .network, []))] + entries) { _ in
      ["add rule 2", "add rule 1"]
    }
    #expect(
      found == [
        "add rule 2", "add rule 1", "ip neighbour replace 10.0.0.1 lladdr 02:00:00:00:00:01 dev p nud permanent",
        "ip neighbour replace 10.0.0.2 lladdr 02:00:00:00:00:01 dev p nud permanent",
      ])
  }
}
