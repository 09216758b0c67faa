import CNI
import LabSupport
import Testing

/// The key `policy`: which connections pass on one interface of a container.
@Suite(.needsRoot)
struct PolicyTests {
  private func use(_ body: (Lab, ContainerPolicies) throws -> Void) throws {
    try Lab.use(containers: 3) { lab in try body(lab, ContainerPolicies("macvlan", in: lab)) }
  }

  @Test func `a policy allows the connections that it lists on its interface and no others`() throws {
    try use { lab, policies in
      let result = try policies.attach()
      try policies.expectLimits()
      try lab.check(policies.limited, result, plugin: "macvlan").requireSuccess()
    }
  }

  @Test func `DEL removes the rules of its interface, and the last one the table`() throws {
    try use { lab, policies in
      try lab.shell("nft add table inet own; nft add chain inet own input", in: lab.container(1))
      let before = try policies.rules()
      _ = try policies.attach()
      let second = try lab.upper(
        "macvlan", #"{"name": "second", "policy": {"ingress": [{}], "log": true, "logGroup": 7}}"#,
        subnets: ["10.79.0.0/24"])
      try lab.add(second, as: "eth2", plugin: "macvlan").requireSuccess()
      let both = try policies.rules()
      #expect(both.contains { $0.contains("\"eth0\"") } && both.contains { $0.contains("\"eth2\"") })
      #expect(both.contains { $0.contains("log group 7") })
      try lab.delete(policies.limited, plugin: "macvlan").requireSuccess()
      let left = try policies.rules()
      #expect(!left.contains { $0.contains("\"eth0\"") } && left.contains { $0.contains("\"eth2\"") })
      // Whatever the configuration says then.
      try lab.delete(second.without("policy"), as: "eth2", plugin: "macvlan").requireSuccess()
      #expect(try policies.rules() == before)
    }
  }

  @Test(arguments: ["flush ruleset", "flush chain inet swift_cni own_output", "flush map inet swift_cni own_limits_in"])
  func `CHECK names the policy whose rules are gone, and DEL and ADD restore them`(command: String) throws {
    try use { lab, policies in
      let result = try policies.attach()
      let made = try policies.rules()
      try lab.shell("nft \(command)", in: lab.container(1))
      let outcome = try lab.check(policies.limited, result, plugin: "macvlan")
      #expect(outcome.code == 101)
      #expect(outcome.complaint.contains("policy of eth0 is missing"), "\(outcome)")
      try lab.delete(policies.limited, plugin: "macvlan").requireSuccess()
      #expect(try policies.rules() == [])
      try lab.add(policies.limited, plugin: "macvlan").requireSuccess()
      #expect(try policies.rules() == made)
    }
  }

  @Test func `nft reads the rules that it lists`() throws {
    try use { lab, policies in
      _ = try policies.attach()
      try lab.shell("nft list ruleset > rules && nft -c -f rules && rm rules", in: lab.container(1))
    }
  }

  @Test func `an ADD that fails leaves no rules`() throws {
    try use { lab, policies in
      try lab.addMaster()
      let gateway = #"{"routes": [{"dst": "192.0.2.0/24", "gw": "10.77.0.255"}]}"#
      let config = try lab.upper("macvlan", #"{"policy": {}}"#, ipam: gateway)
      let outcome = try lab.add(config, plugin: "macvlan")
      #expect(outcome.code == 7, "\(outcome)")
      #expect(try policies.rules() == [])
    }
  }

  /// The container forwards what arrives on its limited interface to the second one, and back.
  @Test func `the policy also limits what the container forwards`() throws {
    try use { lab, policies in
      _ = try policies.attach()
      try lab.shell("sysctl -qw net.ipv4.ip_forward=1", in: lab.container(1))
      try lab.shell(
        "ip address delete 10.77.0.3/24 dev eth0; ip route add 10.77.0.0/24 via 10.78.0.2", in: lab.container(2))
      try lab.shell("ip route add 10.78.0.0/24 via 10.77.0.2", in: lab.outside)
      let passing = ["3 tcp 80 > 10.78.0.3", "2 udp 80 > 10.77.0.1"]
      let denied = ["3 tcp 81 > 10.78.0.3", "2 tcp 81 > 10.77.0.1", "3 ping > 10.78.0.3"]
      try lab.expect(passing, not: denied)
    }
  }
}
