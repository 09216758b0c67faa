import CNI
import LabSupport
import Testing

@Suite(.needsRoot)
struct BridgeKeyTests {
  @Test func `the default bridge is cni0`() throws {
    try Lab.use { lab in
      let result = try lab.add(try lab.bridge().without("bridge")).result()
      #expect(result.text("interfaces.0.name") == "cni0")
      #expect(try lab.link("cni0", in: lab.host)?.text("linkinfo.info_kind") == "bridge")
    }
  }

  @Test func `without isGateway the bridge has no address and the container no gateway`() throws {
    try Lab.use { lab in
      _ = try lab.add(try lab.bridge()).result()
      #expect(try lab.addresses(of: "br0", in: lab.host) == [])
      #expect(try lab.sysctl("net/ipv4/ip_forward", in: lab.host) == "0")
      #expect(try lab.route("default", in: lab.container(1)) == nil)
    }
  }

  @Test func `isGateway alone makes no default route`() throws {
    try Lab.use { lab in
      _ = try lab.add(try lab.bridge(#"{"isGateway": true}"#)).result()
      #expect(try lab.addresses(of: "br0", in: lab.host) == ["10.77.0.1/24"])
      #expect(try lab.route("default", in: lab.container(1)) == nil)
    }
  }

  @Test func `isDefaultGateway keeps IPAM's default route`() throws {
    try Lab.use { lab in
      let config = try lab.bridge(
        #"{"isDefaultGateway": true}"#, ipam: #"{"routes": [{"dst": "0.0.0.0/0", "gw": "10.77.0.9"}]}"#)
      let result = try lab.add(config).result()
      #expect(result.list("routes").map { $0.text("gw") } == ["10.77.0.9"])
      let defaults = try lab.routes(.v4, in: lab.container(1)).filter { $0.text("dst") == "default" }
      #expect(defaults.map { $0.text("gateway") } == ["10.77.0.9"])
    }
  }

  @Test func `keys are matched without regard to case`() throws {
    try Lab.use { lab in
      let config = try lab.bridge(#"{"BRIDGE": "br9", "ISGATEWAY": true, "Mtu": 1300}"#).without("bridge")
      _ = try lab.add(config).result()
      #expect(try lab.addresses(of: "br9", in: lab.host) == ["10.77.0.1/24"])
      #expect(try lab.link("eth0", in: lab.container(1))?.text("mtu") == "1300")
    }
  }

  @Test func `mtu sets the MTU of bridge, port and container`() throws {
    try Lab.use { lab in
      let result = try lab.add(try lab.bridge(#"{"mtu": 1450}"#)).result()
      #expect(result.list("interfaces").map { $0.text("mtu") } == ["1450", "1450", "1450"])
      let hostMTUs = try lab.linkNames(in: lab.host).map { try lab.link($0, in: lab.host)?.text("mtu") }
      #expect(hostMTUs == ["1450", "1450"])
      #expect(try lab.link("eth0", in: lab.container(1))?.text("mtu") == "1450")
    }
  }

  @Test(arguments: ["192.0.2", "fd02:"])
  func `without mtu the MTU comes from the interface of the default route`(network: String) throws {
    try Lab.use { lab in
      let separator = network.hasPrefix("fd") ? ":" : "."
      let family = network.hasPrefix("fd") ? "-6" : "-4"
      try lab.shell(
        """
        ip link add up0 mtu 1400 type veth peer name up1 mtu 1400
        ip link set up0 up; ip link set up1 up
        ip addr add \(network)\(separator)2/\(family == "-6" ? 64 : 24) dev up0 \(family == "-6" ? "nodad" : "")
        ip \(family) route add default via \(network)\(separator)1
        """, in: lab.host)
      _ = try lab.add(try lab.bridge()).result()
      #expect(try lab.link("eth0", in: lab.container(1))?.text("mtu") == "1400")
      #expect(try lab.link("br0", in: lab.host)?.text("mtu") == "1400")
    }
  }

  @Test(arguments: ["hairpinMode": "hairpin", "portIsolation": "isolated"])
  func `hairpinMode and portIsolation set the flags of the port`(key: String, flag: String) throws {
    try Lab.use(containers: 2) { lab in
      let result = try lab.add(try lab.bridge(#"{"\#(key)": true}"#)).result()
      let port = try lab.link(result.text("interfaces.1.name") ?? "", in: lab.host)
      #expect(port?.text("linkinfo.info_slave_data.\(flag)") == "true")
      let other = try lab.add(try lab.bridge(#"{"\#(key)": false}"#), to: 2).result()
      let second = try lab.link(other.text("interfaces.1.name") ?? "", in: lab.host)
      #expect(second?.text("linkinfo.info_slave_data.\(flag)") == "false")
    }
  }

  @Test func `promiscMode makes the bridge promiscuous`() throws {
    try Lab.use { lab in
      _ = try lab.add(try lab.bridge(#"{"promiscMode": true}"#)).result()
      #expect(try lab.link("br0", in: lab.host)?.list("flags").contains("PROMISC") == true)
    }
  }

  @Test func `containers with portIsolation reach the host but not each other`() throws {
    try Lab.use(containers: 2) { lab in
      let config = try lab.bridge(#"{"isGateway": true, "portIsolation": true}"#)
      for number in 1...2 { _ = try lab.add(config, to: number).result() }
      #expect(try lab.pings("10.77.0.1", from: lab.container(1)))
      #expect(try lab.pings("10.77.0.3", from: lab.host))
      #expect(try !lab.pings("10.77.0.3", from: lab.container(1)))
    }
  }

  @Test func `disableContainerInterface leaves the interface down`() throws {
    try Lab.use { lab in
      _ = try lab.add(try lab.bridge(#"{"disableContainerInterface": true}"#, subnets: [])).result()
      #expect(try lab.link("eth0", in: lab.container(1))?.list("flags").contains("UP") == false)
    }
  }

  @Test func `macFromIP derives the MAC address from the IPv4 address`() throws {
    try Lab.use { lab in
      let result = try lab.add(try lab.bridge(#"{"macFromIP": true}"#)).result()
      #expect(result.text("interfaces.2.mac") == "02:42:0a:4d:00:02")
      #expect(try lab.link("eth0", in: lab.container(1))?.text("address") == "02:42:0a:4d:00:02")
    }
  }

  @Test func `dns in the configuration replaces IPAM's dns`() throws {
    try Lab.use { lab in
      let config = try lab.bridge(#"{"dns": {"nameservers": ["192.0.2.53"], "search": ["example.org"]}}"#)
      let result = try lab.add(config).result()
      #expect(try result.at("dns") == JSONValue(json: #"{"nameservers": ["192.0.2.53"], "search": ["example.org"]}"#))
    }
  }

  @Test(arguments: [
    (#"{"macspoofchk": true, "backend": "iptables"}"#, 2), (#"{"ipMasqBackend": "ipfw"}"#, 7),
    (#"{"isolation": "strict"}"#, 7), (#"{"internal": true, "IPMASQ": true}"#, 7), (#"{"ipMasq": "yes"}"#, 7),
  ])
  func `a key that cannot be applied is refused and nothing is changed`(keys: String, code: Int) throws {
    try Lab.use { lab in
      let before = try Snapshot(of: lab)
      let outcome = try lab.add(try lab.bridge(keys))
      #expect(outcome.code == code)
      let named = try JSONValue(json: keys).object?.keys.map { "\"\($0.lowercased())\"" } ?? []
      #expect(named.contains(where: outcome.complaint.lowercased().contains))
      try lab.expectUnchanged(since: before)
    }
  }
}
