import CNI
import LabSupport
import Testing

/// Hosts that drop forwarded packets: with Docker's, ufw's or an operator's own rules.
@Suite(.needsRoot)
struct ForwardDropTests {
  /// The output of `iptables-save` and `nft list ruleset`.
  private func saved(_ world: World) throws -> String {
    try world.shell(
      """
      for v in iptables-nft ip6tables-nft iptables-legacy ip6tables-legacy; do
        $v-save | sed 's/^#.*//; s/ \\[.*//'
      done
      nft -s list tables
      """)
  }

  private static let cases = Backend.allCases.flatMap { backend in
    HostRules.allCases.flatMap { rules in ["legacy", "nft"].map { (backend, rules, $0) } }
  }

  @Test(arguments: cases)
  func `with FORWARD DROP only published ports are reachable, and DEL restores the ruleset`(
    backend: Backend, rules: HostRules, flavour: String
  ) throws {
    try World.use(backend, containers: 2) { world in
      if flavour == "legacy" { try world.useTables() }
      try world.load(rules, flavour)
      let before = try saved(world)
      // Without the plugin firewall: the published port and masquerading each need a passage.
      let network = try world.network(1, #"{"ipMasq": false}"#)
      let masked = try world.network(2, portmap: nil)
      let first = try network.add(1, ports: PublishedPortTests.ports), second = try masked.add(2)
      try world.expect(
        Expectation.ofBothFamilies { family in
          [
            Expectation(.outside, to: World.host[family], 8080, by: .container(1), seeing: World.outside[family]),
            Expectation(.outside, to: World.host[family], .udp, 8080, by: .container(1)),
            Expectation(.outside, to: first.addresses[family], 80, by: nil),
            Expectation(.outside, to: first.addresses[family], .udp, 81, by: nil),
            Expectation(.outside, to: second.addresses[family], 80, by: nil),
            Expectation(.container(1), to: World.outside[family], 80, by: nil),
            Expectation(.container(2), to: World.outside[family], 80, by: .outside, seeing: World.host[family]),
            Expectation(.outside, to: World.behind[family], 80, by: nil),
          ]
        })
      for (network, attachment) in [(network, first), (masked, second)] {
        for outcome in try network.check(attachment) { #expect(outcome.isSuccess, "\(outcome)") }
        try network.delete(attachment, knowing: attachment.container == 1)
      }
      #expect(try saved(world) == before)
    }
  }

  @Test(arguments: Backend.allCases)
  func `ADD warns, STATUS and CHECK fail while another table drops the traffic`(
    backend: Backend
  ) throws {
    try World.use(backend, containers: 1) { world in
      try world.shell(Self.operatorsRules)
      let network = try world.network(1, firewall: "{}")
      let message = "are dropped by the host: nf_tables table inet filter, chain forward, policy drop"
      var attachment = try network.attachment(1, ports: PublishedPortTests.ports)
      for plugin in network.plugins {
        let added = try world.lab.run(network.call("ADD", plugin, attachment))
        attachment.result = try added.result()
        #expect(added.errors.contains(message), "\(added)")
      }
      for outcome in try network.check(attachment) {
        #expect(outcome.code == 101 && outcome.complaint.contains(message), "\(outcome)")
      }
      for status in try statuses(network) {
        #expect(status.code == 50 && status.complaint.contains(message), "\(status)")
      }
      // STATUS does not know the network's link, so it must allow for lan; CHECK knows it.
      try world.shell("nft 'add rule inet filter forward iifname lan accept'")
      for status in try statuses(network) { #expect(status.isSuccess, "\(status)") }
      #expect(try network.check(attachment).last?.complaint.contains(message) == true)
      try world.shell(
        "nft 'add rule inet filter forward iifname br1 accept; add rule inet filter forward oifname br1 accept'")
      for outcome in try network.check(attachment) { #expect(outcome.isSuccess, "\(outcome)") }
      for status in try statuses(network) { #expect(status.isSuccess, "\(status)") }
      try world.expect(
        Expectation.ofBothFamilies { family in
          [
            Expectation(.container(1), to: World.outside[family], 80, by: .outside),
            Expectation(.outside, to: World.host[family], 8080, by: .container(1)),
          ]
        })
      try network.delete(attachment)
    }
  }

  private static let operatorsRules = """
    nft -f - <<'END'
    table inet filter {
      chain forward {
        type filter hook forward priority filter; policy drop;
        ct state vmap { established : accept, related : accept, invalid : drop }
      }
    }
    END
    """

  private func statuses(_ network: Network) throws -> [Outcome] {
    try network.plugins.map {
      try network.world.lab.ask("STATUS", network.complete($0), plugin: $0.text("type") ?? "")
    }
  }
}
