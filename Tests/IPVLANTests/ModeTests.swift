import CNI
import LabSupport
import Testing

/// Reachability between containers 1 and 2, the host, and container 3 as the network outside.
@Suite(.needsRoot)
struct ModeTests {
  private let outward = ["1 > 10.77.0.1", "1 > fd77::1", "2 > 10.77.0.1", "3 > 10.77.0.2", "3 > fd77::3"]
  private let between = ["1 > 10.77.0.3", "1 > fd77::3", "2 > 10.77.0.2", "2 > fd77::2"]

  @Test(arguments: [("bridge", true), ("private", false), ("vepa", false)])
  func `containers on one master reach each other only with flag bridge, and other hosts with any flag`(
    flag: String, talks: Bool
  ) throws {
    try Lab.use(containers: 3) { lab in
      try lab.addMaster()
      let config = try lab.upper("ipvlan", #"{"flag": "\#(flag)"}"#)
      for number in 1...2 { try lab.add(config, to: number, plugin: "ipvlan").requireSuccess() }
      #expect(try lab.answered(outward + between) == outward + (talks ? between : []))
      #expect(try lab.link("eth0", in: lab.container(1))?.text("linkinfo.info_data.\(flag)") == "true")
    }
  }

  /// Two networks on one master; the host has an address on it, which is the router for the network outside.
  private func route(_ mode: String, _ flag: String, in lab: Lab) throws -> [JSONValue] {
    try lab.addMaster(["10.79.0.1/24", "fd79::1/64"])
    try lab.shell(
      """
      ip address add 10.79.0.2/24 dev m0
      ip address add fd79::2/64 dev m0 nodad
      sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
      """, in: lab.host)
    try lab.shell(
      """
      for n in 10.77.0.0/24 10.78.0.0/24; do ip route add $n via 10.79.0.2; done
      for n in fd77::/64 fd78::/64; do ip route add $n via fd79::2; done
      """, in: lab.outside)
    return try [("net", ["10.77.0.0/24", "fd77::/64"]), ("other", ["10.78.0.0/24", "fd78::/64"])].map { name, subnets in
      try lab.upper(
        "ipvlan", #"{"name": "\#(name)", "mode": "\#(mode)", "flag": "\#(flag)"}"#, subnets: subnets,
        ipam: #"{"routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]}"#)
    }
  }

  private let routedOutward = ["1 > 10.79.0.1", "1 > fd79::1", "2 > 10.79.0.1", "3 > 10.77.0.2", "3 > fd78::2"]
  private let routedBetween = ["1 > 10.78.0.2", "1 > fd78::2", "2 > 10.77.0.2", "2 > fd77::2"]

  @Test(arguments: ["l3", "l3s"])
  func `subnets reach each other and other hosts by routes, without neighbour requests for a gateway`(
    mode: String
  ) throws {
    try Lab.use(containers: 3) { lab in
      let networks = try route(mode, "bridge", in: lab)
      let received = try lab.capturedOutside {
        for (index, network) in networks.enumerated() {
          try lab.add(network, to: index + 1, plugin: "ipvlan").requireSuccess()
        }
        #expect(try lab.answered(routedOutward + routedBetween) == routedOutward + routedBetween)
      }
      #expect(!received.contains { $0.contains("arp 10.77.0") || $0.contains("arp 10.78.0") })
      #expect(!received.contains { $0.contains(" ns fd77:") || $0.contains(" ns fd78:") })
      let link = try lab.link("eth0", in: lab.container(1))
      #expect(link?.text("linkinfo.info_data.mode") == mode)
      #expect(link?.list("flags").contains(.string("NOARP")) == true)
    }
  }

  /// In mode l3 packets to the container do not pass the host's packet filter.
  @Test(arguments: [("l3", true), ("l3s", false)])
  func `the host's packet filter sees incoming packets only in mode l3s`(mode: String, passes: Bool) throws {
    try Lab.use(containers: 3) { lab in
      let networks = try route(mode, "bridge", in: lab)
      try lab.add(networks[0], plugin: "ipvlan").requireSuccess()
      try lab.shell(
        """
        nft add table inet t
        nft 'add chain inet t input { type filter hook input priority 0; }'
        nft add rule inet t input ip daddr 10.77.0.2 icmp type echo-request drop
        nft add rule inet t input ip6 daddr fd77::2 icmpv6 type echo-request drop
        """, in: lab.host)
      let inward = ["3 > 10.77.0.2", "3 > fd77::2"]
      #expect(try lab.answered(inward + ["3 > 10.79.0.2"]) == (passes ? inward : []) + ["3 > 10.79.0.2"])
    }
  }

  @Test func `in mode l3 a policy limits what the container receives`() throws {
    try Lab.use(containers: 3) { lab in
      let policy = #"{"policy": {"ingress": [{"from": {"cidr": "10.79.0.1/32"}}], "egress": [{}]}}"#
      let config = try route("l3", "bridge", in: lab)[0].merging(JSONValue(json: policy))
      try lab.add(config, plugin: "ipvlan").requireSuccess()
      let passing = ["3 > 10.77.0.2", "1 > 10.79.0.1", "1 > fd79::1"]
      #expect(try lab.answered(passing + ["3 > fd77::2"]) == passing)
    }
  }

  @Test func `subnets with flag private do not reach each other`() throws {
    try Lab.use(containers: 3) { lab in
      let networks = try route("l3", "private", in: lab)
      for (index, network) in networks.enumerated() {
        try lab.add(network, to: index + 1, plugin: "ipvlan").requireSuccess()
      }
      #expect(try lab.answered(routedOutward + routedBetween) == routedOutward)
    }
  }
}
