import CNI
import LabSupport
import Testing

/// `firewall` on a host with Debian's firewalld, which rejects what it forwards for unknown sources.
@Suite(.needsRoot)
struct FirewalldTests {
  /// The container reaches the outside if it is admitted; from outside only its published port is reached.
  private func expected(_ attachment: Network.Attachment, admitted: Bool = true) -> [Expectation] {
    Expectation.ofBothFamilies { family in
      [Probe.Transport.tcp, .udp, .ping].flatMap { transport in
        [
          Expectation(.container(1), to: World.outside[family], transport, 80, by: admitted ? .outside : nil),
          Expectation(.outside, to: attachment.addresses[family], transport, 80, by: nil),
        ]
      } + [Expectation(.outside, to: World.host[family], 8080, by: .container(1))]
    }
  }

  private func hostPrefixes(_ attachment: Network.Attachment) -> Set<String> {
    Set(zip(attachment.addresses, ["32", "128"]).map { "\($0)/\($1)" })
  }

  @Test(arguments: Backend.allCases, [#"{"backend": "firewalld"}"#, #"{"backend": ""}"#])
  func `containers reach the outside and published ports are reachable, also after a reload`(
    backend: Backend, firewall: String
  ) throws {
    try World.use(backend, containers: 1) { world in
      try world.withFirewalld {
        let network = try world.network(1, firewall: firewall)
        for plugin in network.plugins {
          try world.lab.ask("STATUS", network.complete(plugin), plugin: plugin.text("type") ?? "").requireSuccess()
        }
        let first = try network.add(1, ports: PublishedPortTests.ports)
        #expect(try world.sources() == hostPrefixes(first))
        try world.expect(expected(first))
        try world.shell("firewall-cmd --reload")
        #expect(try world.sources() == hostPrefixes(first))
        // A reload empties the tables of iptables, and keeps those of nftables that are not firewalld's.
        if backend == .iptables { try world.repair() }
        try world.expect(expected(first))
        for outcome in try network.check(first) { #expect(outcome.isSuccess, "\(outcome)") }
        try network.delete(first, knowing: false)
        #expect(try world.sources() == [])
        #expect(try world.sources(permanently: true) == [])
        try network.delete(first)
      }
    }
  }

  @Test func `without the plugin firewall, firewalld rejects containers' packets but not published ports`() throws {
    try World.use(.nftables, containers: 1) { world in
      try world.withFirewalld {
        let network = try world.network(1)
        let first = try network.add(1, ports: PublishedPortTests.ports)
        try world.expect(expected(first, admitted: false))
      }
    }
  }

  @Test func `CHECK reports, repair restores and GC removes the sources of firewalldZone`() throws {
    try World.use(.nftables, containers: 1) { world in
      try world.withFirewalld {
        try world.shell(
          """
          firewall-cmd --permanent --new-zone=pods
          firewall-cmd --permanent --zone=pods --set-target=ACCEPT
          firewall-cmd --reload
          """)
        let firewall = #"{"backend": "firewalld", "firewalldZone": "pods"}"#
        let network = try world.network(1, portmap: nil, firewall: firewall)
        let first = try network.add(1)
        #expect(try world.sources("pods") == hostPrefixes(first))
        try world.shell("firewall-cmd --zone=pods --remove-source=\(first.addresses[0])/32")
        let outcome = try #require(try network.check(first).last)
        #expect(outcome.output.contains("source \(first.addresses[0])/32 of firewalld's zone pods is missing"))
        try world.repair()
        #expect(try network.check(first).last?.isSuccess == true)
        try network.collectGarbage()
        #expect(try world.sources("pods") == [])
        #expect(try world.sources("pods", permanently: true) == [])
      }
    }
  }

  @Test func `ADD fails and leaves no source if another zone has the address`() throws {
    try World.use(.nftables, containers: 1) { world in
      try world.withFirewalld {
        let network = try world.network(1, portmap: nil, firewall: #"{"backend": "firewalld"}"#)
        try world.shell("firewall-cmd --zone=public --add-source=fd77:1::2/128")
        #expect(throws: Outcome.Unexpected.self) { try network.add(1) }
        #expect(try world.sources() == [])
        #expect(try world.sources(permanently: true) == [])
        #expect(try world.sources("public") == ["fd77:1::2/128"])
      }
    }
  }

  @Test func `if firewalld does not run, ADD and STATUS fail and DEL succeeds`() throws {
    try World.use(.nftables, containers: 1) { world in
      try world.withFirewalld {
        let network = try world.network(1, portmap: nil, firewall: #"{"backend": "firewalld"}"#)
        let first = try network.add(1)
        world.end("firewalld")
        let firewall = try #require(network.plugins.last)
        let message = "key \"backend\": \"firewalld\": look for firewalld: it does not run"
        for (command, code) in [("ADD", 100), ("STATUS", 50)] {
          let outcome = try world.lab.run(network.call(command, firewall, first))
          #expect(outcome.json?.at("code") == .integer(Int64(code)))
          #expect(outcome.complaint.contains(message), "\(outcome)")
        }
        try network.delete(first)
        // The permanent configuration still has the sources, until the next ADD.
        try world.startFirewalld()
        #expect(try world.sources() == hostPrefixes(first))
        let second = try network.add(1)
        #expect(try world.sources(permanently: true) == hostPrefixes(second))
        try network.delete(second)
        #expect(try world.sources() == [])
      }
    }
  }

  @Test func `CHECK accepts and DEL removes sources that the reference plugin added`() throws {
    try World.use(.nftables, containers: 1) { world in
      try world.withFirewalld {
        let network = try world.network(1, portmap: nil)
        let first = try network.add(1)
        let firewall = try JSONValue(json: #"{"type": "firewall", "backend": "firewalld"}"#)
        var reference = network.call("ADD", firewall, first)
        reference.directory = Binaries.reference
        // The packaged plugins support no later version.
        reference.config = reference.config.replacing("\"1.1.0\"", with: "\"1.0.0\"")
        try world.lab.run(reference).requireSuccess()
        #expect(try world.sources() == hostPrefixes(first))
        for command in ["CHECK", "DEL"] { try world.lab.run(network.call(command, firewall, first)).requireSuccess() }
        #expect(try world.sources() == [])
      }
    }
  }
}
