import CNI
import LabSupport
import Testing

/// Unusual hosts and names: read-only sysctls, IPv6 switched off, long names.
@Suite(.needsRoot)
struct HostConditionTests {
  /// A lab in which `/proc/sys` is read-only.
  private func withReadOnlySysctls(_ plain: Lab) throws -> Lab {
    let lab = try plain.withOwnState()
    try lab.shell("mount --bind /proc/sys /proc/sys; mount -o remount,ro,bind /proc/sys", in: lab.host)
    return lab
  }

  @Test func `ADD and DEL need no writable sysctls if the needed values are already set`() throws {
    try Lab.use { plain in
      try plain.shell("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1", in: plain.host)
      // New namespaces have IPv6 enabled on a host that uses IPv6.
      try plain.shell("sysctl -qw net.ipv6.conf.lo.disable_ipv6=0", in: plain.container(1))
      let lab = try withReadOnlySysctls(plain)
      let config = try lab.bridge(
        #"{"isDefaultGateway": true, "ipMasq": true}"#, subnets: ["10.77.0.0/24", "fd77::/64"])
      let added = try lab.add(config)
      #expect(added.errors.contains("not changed: set sysctl net/ipv4/conf/eth0/arp_notify=1, which is 0: Read-only"))
      let check = try lab.check(config, added.result())
      #expect(check.isSuccess, "\(check)")
      #expect(try lab.pings("10.77.0.1", from: lab.container(1)))
      try lab.delete(config).requireSuccess()
      #expect(try lab.linkNames(in: lab.host) == ["br0"])
    }
  }

  @Test func `ADD fails and leaves nothing if a needed sysctl cannot be written`() throws {
    try Lab.use { plain in
      let lab = try withReadOnlySysctls(plain)
      let config = try lab.bridge(#"{"isGateway": true}"#)
      let refused = try lab.add(config)
      #expect(
        refused.code == 100
          && refused.complaint.hasPrefix("set sysctl net/ipv4/ip_forward=1, which is 0: Read-only file system"))
      #expect(!refused.errors.contains("not rolled back"))
      #expect(try lab.linkNames(in: lab.host) == [])
      #expect(try lab.leases() == [])
    }
  }

  @Test(arguments: ["bridge", "ptp"])
  func `ADD enables IPv6 only on the network's interfaces if the host has it disabled`(plugin: String) throws {
    try Lab.use { lab in
      try lab.shell(
        """
        sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
        ip link add other type dummy 2> /dev/null || ip link add other type veth peer name another
        """, in: lab.host)
      let keys = plugin == "bridge" ? #"{"isGateway": true}"# : "{}"
      let config = try lab.bridge(keys, subnets: ["fd77::/64", "10.77.0.0/24"]).with("type", .string(plugin))
      let result = try lab.add(config, plugin: plugin).result()
      #expect(try lab.pings("fd77::1", from: lab.container(1)))
      let check = try lab.check(config, result, plugin: plugin)
      #expect(check.isSuccess, "\(check)")
      for name in ["all", "default", "lo", "other"] {
        #expect(try lab.sysctl("net/ipv6/conf/\(name)/disable_ipv6", in: lab.host) == "1")
      }
      try lab.delete(config, plugin: plugin).requireSuccess()
    }
  }

  @Test func `STATUS reports a kernel without IPv6, and ADD refuses before it changes anything`() throws {
    try Lab.use { plain in
      let lab = try plain.withOwnState()
      try lab.shell("mount -t tmpfs tmpfs /proc/sys/net/ipv6", in: lab.host)
      let config = try lab.bridge(#"{"isGateway": true}"#, subnets: ["10.77.0.0/24", "fd77::/64"])
      let status = try lab.ask("STATUS", config)
      #expect(
        status.code == 50
          && status.complaint.hasPrefix(
            #"key "ipam": "fd77::/64": this kernel runs without IPv6 (ipv6.disable=1): want only IPv4"#)
      )
      let refused = try lab.add(config)
      #expect(refused.code == 7 && refused.complaint.contains("fd77::2/64: this kernel runs without IPv6"))
      #expect(try lab.linkNames(in: lab.host) == [])
      #expect(try lab.leases() == [])
      let plainConfig = try lab.bridge(#"{"isGateway": true}"#)
      #expect(try lab.ask("STATUS", plainConfig).isSuccess)
      try lab.add(plainConfig).requireSuccess()
    }
  }

  @Test(arguments: [true, false])
  func `STATUS reports rules that drop every packet, or every IPv4 packet on a host without IPv6`(hasIPv6: Bool) throws
  {
    try Lab.use { plain in
      let lab = try plain.withOwnState()
      try lab.shell(
        "nft 'add table ip op; add chain ip op f { type filter hook forward priority 9; policy drop; }'", in: lab.host)
      if !hasIPv6 { try lab.shell("mount -t tmpfs tmpfs /proc/sys/net/ipv6", in: lab.host) }
      let status = try lab.ask("STATUS", lab.bridge(#"{"isGateway": true, "ipMasq": true}"#))
      #expect(status.isSuccess == hasIPv6)
      #expect(
        hasIPv6 || status.code == 50 && status.complaint.contains("table ip op, chain f, policy drop"), "\(status)")
    }
  }

  @Test(arguments: ["bridge", "macvlan"], [250, 400])
  func `a container ID may be long`(plugin: String, length: Int) throws {
    try Lab.use(containers: 2) { lab in
      try lab.addMaster()
      let config =
        try plugin == "bridge"
        ? lab.bridge(#"{"isGateway": true, "ipMasq": true}"#) : lab.upper("macvlan", subnets: ["10.77.0.0/24"])
      func call(_ command: String, _ config: JSONValue) throws -> Outcome {
        var call = lab.call(command, config, on: 1, plugin: plugin)
        call.variables["CNI_CONTAINERID"] = String(repeating: "a", count: length)
        return try lab.run(call)
      }
      for _ in 1...2 {
        let result = try call("ADD", config).result()
        let check = try call("CHECK", config.with("prevResult", result))
        #expect(check.isSuccess, "\(check)")
        try call("DEL", config).requireSuccess()
        #expect(try lab.linkNames(in: lab.container(1)) == [])
      }
      _ = try call("ADD", config).result()
      try lab.collectGarbage(config, keeping: [], plugin: plugin).requireSuccess()
      #expect(try lab.leases() == [])
      #expect(try lab.linkNames(in: lab.host).filter { $0.hasPrefix("veth") } == [])
    }
  }
}

/// Routes, gateways and addresses in the container.
@Suite(.needsRoot)
struct ContainerRouteTests {
  @Test(arguments: ["bridge", "ptp", "macvlan"])
  func `the gateways 0.0.0.0 and :: make an on-link route`(plugin: String) throws {
    try Lab.use(containers: 2) { lab in
      try lab.addMaster()
      let routes = #"[{"dst": "198.51.100.0/24", "gw": "0.0.0.0"}, {"dst": "2001:db8:9::/64", "gw": "::"}]"#
      let config = try lab.upper(plugin, ipam: #"{"routes": \#(routes)}"#)
      let result = try lab.add(config, plugin: plugin).result()
      let route = try #require(try lab.route("198.51.100.0/24", in: lab.container(1)))
      #expect(route.text("dev") == "eth0" && route.text("gateway") == nil)
      let other = try #require(try lab.route("2001:db8:9::/64", .v6, in: lab.container(1)))
      #expect(other.text("dev") == "eth0" && other.text("gateway") == nil)
      #expect(result.list("routes").map { $0.text("gw") } == ["0.0.0.0", "::"])
      let check = try lab.check(config, result, plugin: plugin)
      #expect(check.isSuccess, "\(check)")
      try lab.shell("ip route replace 198.51.100.0/24 via 10.77.0.9 onlink dev eth0", in: lab.container(1))
      #expect(
        try lab.check(config, result, plugin: plugin).complaint.contains("route 198.51.100.0/24 on eth0 is missing"))
    }
  }

  @Test(
    arguments: [
      ("10.99.0.1", nil), ("169.254.1.1", nil), ("10.77.0.2", "an address that is not the container's"),
      ("10.77.0.255", "the unicast address of a router"), ("10.77.0.0", "want"), ("0.0.0.7", "want"),
      ("fd00::1", "the same family"),
    ] as [(String, String?)])
  func `a gateway that no prefix covers is reached with onlink, or refused by name`(
    gateway: String, fragment: String?
  ) throws {
    try Lab.use(containers: 2) { lab in
      try lab.addMaster()
      let config = try lab.upper(
        "macvlan", subnets: ["10.77.0.0/24"], ipam: #"{"routes": [{"dst": "198.51.100.0/24", "gw": "\#(gateway)"}]}"#)
      let outcome = try lab.add(config, plugin: "macvlan")
      guard let fragment else {
        #expect(try lab.route("198.51.100.0/24", in: lab.container(1))?.text("gateway") == gateway)
        return
      }
      // A gateway that this kernel accepts is no error.
      if outcome.isSuccess, fragment == "want" { return }
      #expect(outcome.code == 7, "\(outcome)")
      #expect(outcome.complaint.hasPrefix("route 198.51.100.0/24: gw \(gateway): "), "\(outcome)")
      #expect(outcome.complaint.contains(fragment), "\(outcome)")
      #expect(try lab.linkNames(in: lab.container(1)) == [])
    }
  }

  @Test func `a gateway in the middle of the subnet is assigned to no container`() throws {
    try Lab.use(containers: 5) { lab in
      let config = try lab.bridge(
        #"{"isDefaultGateway": true}"#, subnets: [],
        ipam: "{}"
      ).with(
        "ipam",
        JSONValue(
          json:
            #"{"type": "host-local", "dataDir": "\#(lab.dataDir)", "subnet": "192.168.1.0/24", "gateway": "192.168.1.5"}"#
        ))
      let given = try (1...5).map { try lab.add(config, to: $0).result().text("ips.0.address") }
      #expect(given == ["192.168.1.1/24", "192.168.1.2/24", "192.168.1.3/24", "192.168.1.4/24", "192.168.1.6/24"])
      #expect(try lab.addresses(of: "br0", in: lab.host) == ["192.168.1.5/24"])
      for number in 1...5 {
        #expect(try lab.route("default", in: lab.container(number))?.text("gateway") == "192.168.1.5")
        #expect(try lab.pings("192.168.1.5", from: lab.container(number)))
      }
      #expect(try lab.pings("192.168.1.1", from: lab.container(5)))
    }
  }

  @Test func `macFromIP gives the link-local address of the new MAC address`() throws {
    try Lab.use { lab in
      let config = try lab.bridge(#"{"isGateway": true, "macFromIP": true}"#, subnets: ["172.17.0.0/16"])
      let result = try lab.add(config).result()
      #expect(result.text("ips.0.address") == "172.17.0.2/16")
      #expect(result.text("interfaces.2.mac") == "02:42:ac:11:00:02")
      let found = try lab.json("ip -j -6 addr show dev eth0", in: lab.container(1)).list("0.addr_info")
      #expect(found.map { $0.text("local") } == ["fe80::42:acff:fe11:2"])
    }
  }
}

/// Neighbours on the link that send router advertisements but are no routers.
@Suite(.needsRoot)
struct NeighbourRouterTests {
  @Test(arguments: ["bridge", "macvlan"], [["10.77.0.0/24"], ["10.77.0.0/24", "fd77::/64"]])
  func `a container ignores router advertisements of its neighbours unless acceptRA is true`(
    plugin: String, subnets: [String]
  ) throws {
    try Lab.use(containers: 4) { lab in
      try lab.addMaster()
      let config =
        try plugin == "bridge"
        ? lab.bridge(#"{"isGateway": true}"#, subnets: subnets) : lab.upper(plugin, subnets: subnets)
      try lab.add(config, to: 1, plugin: plugin).requireSuccess()
      try lab.add(config.with("acceptRA", .bool(true)), to: 2, plugin: plugin).requireSuccess()
      try lab.add(config, to: 3, plugin: plugin).requireSuccess()
      var output = ""
      // The neighbour can send only after it has its link-local address.
      for _ in 1...20 where !output.contains("2001:db8:bad") {
        _ = try? lab.sendRouterAdvertisement(in: lab.container(3))
        output = try lab.shell("ip -6 addr show dev eth0; ip -6 route", in: lab.container(2))
      }
      #expect(output.contains("2001:db8:bad") && output.contains("default via"))
      let found = try lab.shell("ip -6 addr show dev eth0; ip -6 route", in: lab.container(1))
      #expect(!found.contains("2001:db8:bad") && !found.contains("default via"))
      #expect(try lab.sysctl("net/ipv6/conf/eth0/accept_ra", in: lab.container(1)) == "0")
    }
  }
}
