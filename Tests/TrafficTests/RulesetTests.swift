import CNI
import LabSupport
import Testing

/// The contents of the rulesets, and leftovers in them.
@Suite(.needsRoot)
struct RulesetTests {
  @Test(arguments: Backend.allCases)
  func `a network without ipMasq and isolation changes no rule`(backend: Backend) throws {
    try World.use(backend) { world in
      // Not even a legacy table may be created, which a program does by reading it.
      let look = "cat /proc/net/ip_tables_names /proc/net/ip6_tables_names; nft list ruleset"
      let before = try world.shell(look)
      let network = try world.network(1, #"{"ipMasq": false, "isolation": "none"}"#)
      let first = try network.add(1)
      _ = try network.add(2)
      for outcome in try network.check(first) { #expect(outcome.isSuccess, "\(outcome)") }
      #expect(try world.shell(look) == before)
      try network.delete(first)
      try network.collectGarbage()
      #expect(try world.shell(look) == before)
    }
  }

  @Test(arguments: Backend.allCases)
  func `DEL and GC restore the previous rules and counters`(backend: Backend) throws {
    try World.use(backend, containers: 3) { world in
      try world.addForeignRules()
      let before = try world.ruleset(counters: true)
      let network = try world.network(1, #"{"isolation": "network"}"#, firewall: "{}")
      let other = try world.network(2, #"{"isolation": "container"}"#, firewall: #"{"ingressPolicy": "isolated"}"#)
      let first = try network.add(1, ports: PublishedPortTests.ports)
      _ = try network.add(2, ports: [#"{"hostPort": 9000, "containerPort": 80, "protocol": "udp"}"#])
      let third = try other.add(3, ports: [#"{"hostPort": 9001, "containerPort": 80, "protocol": "tcp"}"#])
      let full = try world.ruleset(counters: true)
      #expect(Set(before).isSubset(of: full))
      try network.delete(first)
      try other.delete(third, knowing: false)
      try network.collectGarbage()
      #expect(try world.ruleset(counters: true) == before)
    }
  }

  @Test(arguments: Backend.allCases)
  func `interfaces of one container are independent, also on different networks`(backend: Backend) throws {
    try World.use(backend, containers: 1) { world in
      try world.useTables()
      let before = try world.ruleset()
      let network = try world.network(1, firewall: "{}"), other = try world.network(2, firewall: "{}")
      func port(_ number: Int) -> [String] {
        [#"{"hostPort": \#(number), "containerPort": 80, "protocol": "tcp"}"#]
      }
      let first = try network.add(1, ports: port(8081))
      let second = try network.add(1, as: "eth1", ports: port(8082))
      let third = try other.add(1, as: "eth2", ports: port(8083))
      // Loose rp_filter, because answers from the address of another interface leave through the first one.
      try world.lab.shell(
        "for f in all eth0 eth1 eth2; do echo 2 > /proc/sys/net/ipv4/conf/$f/rp_filter; done",
        in: world.lab.container(1))
      for (gone, left) in [(second, [8081, 8083]), (first, [8083])] {
        try network.delete(gone)
        try world.expect(
          [8081, 8082, 8083].map { port in
            Expectation(.host, to: "127.0.0.1", port, by: left.contains(port) ? .container(1) : nil)
          })
      }
      for outcome in try other.check(third) { #expect(outcome.isSuccess, "\(outcome)") }
      try other.delete(third)
      #expect(try world.ruleset() == before)
    }
  }

  @Test(arguments: Backend.allCases)
  func `CHECK fails after the rules were flushed`(backend: Backend) throws {
    try World.use(backend, containers: 1) { world in
      let network = try world.network(1, #"{"isolation": "network"}"#, firewall: "{}")
      let first = try network.add(1, ports: PublishedPortTests.ports)
      #expect(try network.check(first).allSatisfy(\.isSuccess))
      try world.flush()
      #expect(try network.check(first).allSatisfy { !$0.isSuccess })
      try network.delete(first)
    }
  }
}
