import CNI
import LabSupport
import Testing

/// Rules in the tables of `iptables-nft`: killed plugins, concurrent plugins, changes by other programs.
@Suite(.needsRoot)
struct ForwardLifeTests {
  /// Runs `body` with a world whose FORWARD has policy DROP, and its ruleset.
  private func use(containers: Int, _ body: (World, String) throws -> Void) throws {
    try World.use(.nftables, containers: containers) { world in
      try world.shell("for v in iptables ip6tables; do $v-nft -P FORWARD DROP; done")
      try body(world, try saved(world))
    }
  }

  /// The ruleset without counters, and without the empty table `nat` that `iptables -S` creates.
  private func saved(_ world: World) throws -> String {
    try world.shell(
      """
      for v in iptables-nft ip6tables-nft; do $v -S; $v -t nat -S; done
      nft -s list tables | grep -v ' nat$'
      """)
  }

  struct Victim: Sendable, CustomTestStringConvertible {
    var command: String
    /// The index of the plugin in the chain.
    var plugin: Int

    var testDescription: String { "\(command) of \(plugin == 0 ? "bridge" : "firewall")" }
  }

  @Test(arguments: [
    Victim(command: "ADD", plugin: 0), .init(command: "ADD", plugin: 1), .init(command: "DEL", plugin: 1),
  ])
  func `a plugin killed at any message to the kernel leaves nothing after the next DEL or GC`(victim: Victim) throws {
    try use(containers: 1) { world, before in
      let network = try world.network(1, portmap: nil, firewall: "{}")
      var kills = 0
      while try wasKilled(victim, atMessage: 1 + kills * 2, network) {
        kills += 1
        if kills.isMultiple(of: 2) {
          try network.collectGarbage()
        } else {
          try network.delete(network.attachment(1), knowing: false)
        }
        #expect(try saved(world) == before, "\(victim.testDescription), killed \(kills) times")
      }
      #expect(kills > 5)
      try network.delete(network.attachment(1), knowing: false)
      #expect(try saved(world) == before)
    }
  }

  /// Runs the victim and the plugins before it; strace kills it before it sends this message.
  private func wasKilled(_ victim: Victim, atMessage number: Int, _ network: Network) throws -> Bool {
    let lab = network.world.lab
    var attachment = try network.attachment(1)
    for plugin in network.plugins.prefix(victim.command == "DEL" ? .max : victim.plugin) {
      attachment.result = try lab.run(network.call("ADD", plugin, attachment)).result()
    }
    let call = network.call(victim.command, network.plugins[victim.plugin], attachment)
    let outcome = try lab.run(
      "/usr/bin/strace",
      [
        "-qq", "-o", "/dev/null", "-e", "trace=sendto", "-e", "inject=sendto:signal=KILL:when=\(number)",
        "\(call.directory)/\(call.plugin)",
      ], in: lab.host, environment: lab.environment(call), input: call.config)
    if outcome.status != 137 { try outcome.requireSuccess() }
    return outcome.status == 137
  }

  @Test func `twenty concurrent ADDs and DELs succeed while iptables changes FORWARD, and leave nothing`() throws {
    try use(containers: 20) { world, before in
      let network = try world.network(1, portmap: nil, firewall: "{}")
      for (name, plugin) in [("bridge", network.plugins[0]), ("firewall", network.plugins[1])] {
        let config = network.complete(plugin)
        try world.lab.shell("cat > \(world.lab.directory)/\(name) <<'END'\n\(config.line)\nEND")
      }
      for command in ["ADD", "DEL"] {
        try world.shell(Self.atOnce(command, world.lab))
        if command == "ADD" {
          let jumps = try world.shell("iptables-nft -S CNI-FORWARD | grep -c 10.77.1.0/24")
          #expect(jumps == "4\n")  // masquerading and firewall have one for each direction
        }
      }
      #expect(try saved(world) == before)
    }
  }

  private static func atOnce(_ command: String, _ lab: Lab) -> String {
    let directory = lab.directory
    return """
      export CNI_COMMAND=\(command) CNI_IFNAME=eth0 CNI_PATH=\(Binaries.ours)
      one() {
        export CNI_CONTAINERID=\(lab.name)-c$1 CNI_NETNS=/run/netns/\(lab.name)-c$1
        case \(command) in
        ADD)
          \(Binaries.ours)/bridge < \(directory)/bridge > \(directory)/answer.$1 &&
            jq -c --slurpfile r \(directory)/answer.$1 '.prevResult=$r[0]' \(directory)/firewall |
            \(Binaries.ours)/firewall > \(directory)/answer2.$1 ;;
        DEL)
          \(Binaries.ours)/firewall < \(directory)/firewall > \(directory)/answer2.$1 &&
            \(Binaries.ours)/bridge < \(directory)/bridge > \(directory)/answer.$1 ;;
        esac
      }
      (
        i=0
        while [ ! -e \(directory)/stop ]; do
          i=$((i + 1))
          iptables-nft -A FORWARD -s 203.0.113.$((i % 250)) -j DROP
          iptables-nft -D FORWARD -s 203.0.113.$((i % 250)) -j DROP
          sleep 0.05
        done
      ) &
      operator=$! children= failed=
      for n in $(seq \(lab.containerCount)); do one $n & children="$children $!"; done
      for child in $children; do wait $child || failed=yes; done
      touch \(directory)/stop; wait $operator; rm \(directory)/stop
      test -z "$failed" || { cat \(directory)/answer*; exit 1; } >&2
      """
  }

  @Test func `CHECK names the rules that iptables -F deleted, and cnictl repair restores them`() throws {
    try use(containers: 1) { world, before in
      let network = try world.network(1, firewall: "{}")
      let first = try network.add(1, ports: PublishedPortTests.ports)
      let with = try saved(world)
      let wanted = Expectation.ofBothFamilies { family in
        [
          Expectation(.container(1), to: World.outside[family], 80, by: .outside),
          Expectation(.outside, to: World.host[family], 8080, by: .container(1)),
        ]
      }
      let flushes = [
        "for v in iptables ip6tables; do $v-nft -F FORWARD; done",
        "for v in iptables ip6tables; do printf '*filter\\n:FORWARD DROP\\nCOMMIT\\n' | $v-nft-restore; done",
      ]
      for flush in flushes {
        try world.shell(flush)
        for outcome in try network.check(first) {
          #expect(outcome.code == 101)
          #expect(outcome.complaint.contains("passage of 10.77.1"))
          #expect(outcome.complaint.contains("through the host's chain FORWARD is missing"))
          #expect(outcome.complaint.contains("nf_tables table ip filter, chain FORWARD, policy drop"), "\(outcome)")
        }
        try world.lab.run("\(Binaries.ours)/cnictl", ["repair"], in: world.lab.host).requireSuccess()
        for outcome in try network.check(first) { #expect(outcome.isSuccess, "\(outcome)") }
        try world.expect(wanted)
        #expect(Set(try saved(world).split(separator: "\n")) == Set(with.split(separator: "\n")))
      }
      try network.delete(first)
      #expect(try saved(world) == before)
    }
  }
}
