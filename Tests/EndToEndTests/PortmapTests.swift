import CNI
import Foundation
import LabSupport
import Testing

/// `bridge` and `portmap` in a chain, as a runtime runs them.
@Suite(.needsRoot) struct PortmapTests {
  /// The configuration of a runtime that publishes no port.
  private var silent: JSONValue {
    get throws { try JSONValue(json: #"{"cniVersion": "1.1.0", "name": "net", "type": "portmap"}"#) }
  }
  private static let mapping = #"{"hostPort": 8080, "containerPort": 80}"#

  /// A host that routes between the containers' bridge and a network outside, which is the last container's namespace.
  private func use<Value>(containers: Int = 1, _ body: (Lab, JSONValue) throws -> Value) throws -> Value {
    try Lab.use(containers: containers + 1) { lab in
      let outside = lab.container(containers + 1)
      try lab.shell(
        """
        ip link add up0 type veth peer name eth0 netns \(outside)
        ip address add 192.0.2.1/24 dev up0
        ip address add 2001:db8::1/64 dev up0 nodad
        ip link set up0 up
        ip -n \(outside) address add 192.0.2.9/24 dev eth0
        ip -n \(outside) address add 2001:db8::9/64 dev eth0 nodad
        ip -n \(outside) link set eth0 up
        # Where bridges call the packet filter, nothing that it does is seen from ::1.
        sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0 || true
        """, in: lab.host)
      let subnets = ["10.77.0.0/24", "fd00:77::/64"]
      return try body(lab, try lab.bridge(#"{"isDefaultGateway": true}"#, subnets: subnets))
    }
  }

  private func chained(_ mappings: String, _ keys: String = "{}", after result: JSONValue? = nil) throws -> JSONValue {
    let config = try JSONValue(
      json: #"{"cniVersion": "1.1.0", "name": "net", "type": "portmap", "runtimeConfig": {"portMappings": ["# + mappings
        + "]}}"
    ).merging(JSONValue(json: keys))
    return result.map { config.with("prevResult", $0) } ?? config
  }

  private func ruleset(_ lab: Lab) throws -> String {
    try lab.shell("nft list ruleset; iptables-legacy-save; ip6tables-legacy-save", in: lab.host)
      .split(separator: "\n").filter { !$0.hasPrefix("#") }.joined(separator: "\n")
  }

  /// The client address that a server in a container reports; empty if there is no answer.
  private func seen(
    by server: String, port: Int, _ client: String, connecting address: String, _ hostPort: Int, in lab: Lab
  )
    throws -> String
  {
    let program = """
      from ctypes import CDLL
      from socket import AF_INET6, create_connection, socket
      from sys import argv
      client, server, port, address, host_port = argv[1:]
      def enter(name):
          with open("/run/netns/" + name) as file:
              if CDLL(None).setns(file.fileno(), 0x40000000): raise OSError()
      enter(server)
      listener = socket(AF_INET6)
      listener.bind(("::", int(port)))
      listener.listen()
      listener.settimeout(3)
      enter(client)
      try:
          near = create_connection((address, int(host_port)), 3)
          near.settimeout(3)
          far, peer = listener.accept()
          far.sendall(b"x")
          if near.recv(1) == b"x": print(peer[0].removeprefix("::ffff:"), end="")
      except OSError:
          pass
      """
    return try lab.run("/usr/bin/python3", ["-c", program, client, server, "\(port)", address, "\(hostPort)"]).output
  }

  @Test func `a published port is reachable from everywhere with the right source address`() throws {
    try use(containers: 2) { lab, network in
      let result = try lab.add(network).result()
      _ = try lab.add(network, to: 2).result()
      #expect(try lab.add(chained(Self.mapping, after: result), plugin: "portmap").result() == result)
      let (inside, other, outside) = (lab.container(1), lab.container(2), lab.container(3))
      func seen(_ client: String, _ address: String) throws -> String {
        try self.seen(by: inside, port: 80, client, connecting: address, 8080, in: lab)
      }
      #expect(try seen(outside, "192.0.2.1") == "192.0.2.9")
      #expect(try seen(outside, "2001:db8::1") == "2001:db8::9")
      for (client, v4, v6) in [
        (other, "192.0.2.1", "2001:db8::1"), (inside, "192.0.2.1", "2001:db8::1"), (lab.host, "127.0.0.1", "::1"),
      ] {
        #expect(try seen(client, v4) == "10.77.0.1", "from \(client)")
        #expect(try seen(client, v6) == "fd00:77::1", "from \(client)")
      }
      #expect(try seen(lab.host, "192.0.2.1") == "192.0.2.1")
      #expect(try seen(lab.host, "2001:db8::1") == "2001:db8::1")
    }
  }

  @Test func `DEL without configuration, result or namespace restores the ruleset`() throws {
    try use { lab, network in
      let result = try lab.add(network).result()
      let before = try ruleset(lab)
      let config = try chained(
        Self.mapping + #", {"hostPort": 5353, "containerPort": 53, "protocol": "udp"}"#, after: result)
      _ = try lab.add(config, plugin: "portmap").result()
      #expect(try ruleset(lab) != before)
      #expect(try lab.check(config, result, plugin: "portmap").isSuccess)
      var call = lab.call("DEL", try silent, on: 1, plugin: "portmap")
      call.variables["CNI_NETNS"] = ""
      for _ in 1...2 { #expect(try lab.run(call).isSuccess) }
      #expect(try ruleset(lab) == before)
      #expect(try lab.check(config, result, plugin: "portmap").code == 101)
    }
  }

  /// Prints whether a packet arrives, before the commands and after each of them.
  ///
  /// The same socket sends all packets, so conntrack sees one connection.
  private static let patientClient = """
    from ctypes import CDLL
    from socket import AF_INET, AF_INET6, SOCK_DGRAM, socket
    from subprocess import DEVNULL, run
    from sys import argv
    def enter(name):
        with open("/run/netns/" + name) as file:
            if CDLL(None).setns(file.fileno(), 0x40000000): raise OSError()
    enter(argv[2])
    server = socket(AF_INET6, SOCK_DGRAM)
    server.bind(("::", 53))
    server.settimeout(0.5)
    enter(argv[1])
    client = socket(AF_INET, SOCK_DGRAM)
    enter(argv[3])
    def arrives():
        client.sendto(b"x", ("192.0.2.1", 5353))
        try: return server.recv(1) == b"x"
        except OSError: return False
    print(arrives(), end=" ")
    for command in argv[4:]:
        run(["/bin/sh", "-ec", command], check=True, stdout=DEVNULL)
        print(arrives(), end=" ")
    """

  @Test func `a UDP client with an old conntrack entry reaches the container, and after DEL no longer`() throws {
    try use { lab, network in
      let result = try lab.add(network).result()
      let config = try chained(#"{"hostPort": 5353, "containerPort": 53, "protocol": "udp"}"#, after: result)
      func command(_ name: String, _ config: JSONValue) -> String {
        let call = lab.call(name, config, on: 1, plugin: "portmap")
        let variables = lab.environment(call).map { "'\($0)'" }.joined(separator: " ")
        return "echo '\(config.line)' | env \(variables) \(Binaries.ours)/portmap"
      }
      // Another published port, so that conntrack is active and tracks the client's first packet.
      let other = try chained(#"{"hostPort": 1, "containerPort": 1}"#, #"{"name": "other"}"#, after: result)
      _ = try lab.add(other, to: 1, plugin: "portmap").result()
      let seen = try lab.run(
        "/usr/bin/python3",
        [
          "-c", Self.patientClient, lab.container(2), lab.container(1), lab.host, command("ADD", config),
          command("DEL", config),
        ])
      #expect(seen.output == "False True False ", "\(seen)")
    }
  }

  @Test func `a port of another container is refused, and the error names the container`() throws {
    try use(containers: 2) { lab, network in
      let results = try (1...2).map { try lab.add(network, to: $0).result() }
      _ = try lab.add(chained(Self.mapping, after: results[0]), plugin: "portmap").result()
      let before = try ruleset(lab)
      let outcome = try lab.add(chained(Self.mapping, after: results[1]), to: 2, plugin: "portmap")
      #expect(outcome.code == 107)
      #expect(outcome.complaint.contains("publish host port 8080/tcp"))
      #expect(outcome.complaint.contains("container \(lab.name)-c1 on network net, interface eth0"))
      #expect(try ruleset(lab) == before)
      #expect(try lab.delete(chained(Self.mapping), plugin: "portmap").isSuccess)
      #expect(try lab.add(chained(Self.mapping, after: results[1]), to: 2, plugin: "portmap").isSuccess)
    }
  }

  @Test func `an automatically chosen port is in the result and passes CHECK`() throws {
    try use { lab, network in
      let result = try lab.add(network).result()
      let config = try chained(#"{"containerPort": 80}"#, #"{"hostPortRange": "49000-49900"}"#, after: result)
      let answer = try lab.add(config, plugin: "portmap").result()
      let port = Int(answer.text("portMappings.0.hostPort") ?? "") ?? 0
      #expect((49000...49900).contains(port))
      #expect(answer.text("portMappings.0.containerPort") == "80")
      let (inside, outside) = (lab.container(1), lab.container(2))
      #expect(try seen(by: inside, port: 80, outside, connecting: "192.0.2.1", port, in: lab) == "192.0.2.9")
      #expect(try lab.check(config, answer, plugin: "portmap").isSuccess)
    }
  }

  @Test func `portmap without mappings changes nothing and returns prevResult`() throws {
    try use { lab, network in
      let result = try lab.add(network).result()
      let before = try ruleset(lab)
      let snapshot = try Snapshot(of: lab)
      #expect(try lab.add(silent.with("prevResult", result), plugin: "portmap").result() == result)
      #expect(try ruleset(lab) == before)
      try lab.expectUnchanged(since: snapshot)
    }
  }

  @Test func `a floating address works in both directions`() throws {
    try use { lab, network in
      let result = try lab.add(network).result()
      let snapshot = try Snapshot(of: lab)
      let config = try JSONValue(
        json: #"""
          {"cniVersion": "1.1.0", "name": "net", "type": "portmap", "floatingDevice": "up0",
           "runtimeConfig": {"floatingIPs": ["192.0.2.7"]}}
          """#)
      _ = try lab.add(config.with("prevResult", result), plugin: "portmap").result()
      #expect(try lab.addresses(of: "up0", in: lab.host).contains("192.0.2.7/32"))
      let (inside, outside) = (lab.container(1), lab.container(2))
      #expect(try seen(by: inside, port: 80, outside, connecting: "192.0.2.7", 80, in: lab) == "192.0.2.9")
      #expect(try seen(by: outside, port: 80, inside, connecting: "192.0.2.9", 80, in: lab) == "192.0.2.7")
      #expect(try lab.delete(silent, plugin: "portmap").isSuccess)
      try lab.expectUnchanged(since: snapshot)
    }
  }

  @Test func `Mesos' delegate is attached, published in its chain and removed`() throws {
    try Lab.use { lab in
      let before = try ruleset(lab)
      let config = try JSONValue(
        json: #"""
          {"args":{"org.apache.mesos":{"network_info":{"ip_addresses":[{"protocol":"IPv4"}],"labels":{},"name":"net",
           "port_mappings":[{"container_port":80,"host_port":31000,"protocol":"tcp"}]}}},"chain":"UCR-DEFAULT-BRIDGE",
           "delegate":{"bridge":"ucr-br0","forceAddress":false,"hairpinMode":true,"ipMasq":true,
            "ipam":{"dataDir":"\#(lab.dataDir)","routes":[{"dst":"0.0.0.0/0"}],"subnet":"172.31.254.0/24",
             "type":"host-local"},"isDefaultGateway":true,"type":"bridge"},
           "excludeDevices":["ucr-br0"],"name":"net","type":"mesos-cni-port-mapper"}
          """#)
      #expect(try lab.add(config, plugin: "portmap").result().text("ip4.ip") == "172.31.254.2/24")
      #expect(
        try seen(by: lab.container(1), port: 80, lab.host, connecting: "127.0.0.1", 31000, in: lab) == "172.31.254.1")
      var call = lab.call("DEL", config, on: 1, plugin: "portmap")
      call.variables["CNI_NETNS"] = ""
      #expect(try lab.run(call).isSuccess)
      #expect(try ruleset(lab) == before)
      #expect(try lab.leases() == [])
    }
  }
}
