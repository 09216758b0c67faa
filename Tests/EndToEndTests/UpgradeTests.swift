import CNI
import LabSupport
import Testing

/// The reference plugins are replaced by ours while their containers run.
@Suite(.needsRoot) struct UpgradeTests {
  /// The variant of the command `iptables`, which the reference runs.
  enum Tables: String, CaseIterable { case nft, legacy }

  private static let chain: [(plugin: String, keys: String)] = [
    (
      "bridge",
      #"{"bridge": "br0", "isGateway": true, "ipMasq": true, "hairpinMode": true, "ipam": {"type": "host-local","#
        + #" "ranges": [[{"subnet": "10.77.0.0/24"}], [{"subnet": "fd00:77::/64"}]], "routes": [{"dst": "0.0.0.0/0"}]}}"#
    ),
    (
      "portmap",
      #"{"runtimeConfig": {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"},"#
        + #" {"hostPort": 8081, "containerPort": 81, "protocol": "udp", "hostIP": "127.0.0.1"}]}}"#
    ),
    ("firewall", "{}"),
  ]

  private func config(_ index: Int, after result: JSONValue?) throws -> JSONValue {
    let (plugin, keys) = Self.chain[index]
    let config = try JSONValue(json: #"{"cniVersion": "1.0.0", "name": "net"}"#).with("type", .string(plugin))
      .merging(JSONValue(json: keys))
    return result.map { config.with("prevResult", $0) } ?? config
  }

  /// Runs `body` with a lab in which `iptables` is this variant.
  private func use<Value>(containers: Int = 1, _ tables: Tables, _ body: (Lab, String) throws -> Value) throws -> Value
  {
    try Lab.use(containers: containers) { lab in
      let bin = "\(lab.directory)/bin"
      try lab.shell(
        """
        mkdir \(bin)
        for c in iptables ip6tables; do for s in "" -save -restore; do
          ln -s /usr/sbin/$c-\(tables)$s \(bin)/$c$s
        done; done
        """)
      return try body(try lab.withOwnState(), "\(bin):/usr/sbin:/usr/bin:/sbin:/bin")
    }
  }

  private func attachByReference(_ lab: Lab, _ container: Int, _ path: String) throws -> JSONValue {
    var result: JSONValue?
    for (index, link) in Self.chain.enumerated() {
      // Only the first container publishes a port.
      if link.plugin == "portmap", container > 1 { continue }
      var call = lab.call("ADD", try config(index, after: result), on: container, plugin: link.plugin)
      call.directory = Binaries.reference
      call.variables["PATH"] = path
      result = try lab.run(call).result()
    }
    return try #require(result)
  }

  private func detach(_ lab: Lab, after result: JSONValue?, inNamespace: Bool = true) throws {
    for (index, link) in Self.chain.enumerated().reversed() {
      var call = lab.call("DEL", try config(index, after: result), on: 1, plugin: link.plugin)
      if !inNamespace { call.variables["CNI_NETNS"] = "" }
      let outcome = try lab.run(call)
      #expect(outcome.isSuccess, "\(outcome)")
    }
  }

  /// Rules that name a container or its addresses.
  private func rules(_ lab: Lab) throws -> [String] {
    let all = try lab.shell(
      "for c in iptables-nft ip6tables-nft iptables-legacy ip6tables-legacy; do $c-save 2> /dev/null; done; nft list ruleset 2> /dev/null",
      in: lab.host)
    return all.split(separator: "\n").map(String.init).filter {
      $0.contains(lab.name) || $0.contains("10.77.0.") || $0.contains("fd00:77::")
    }
  }

  @Test(arguments: Tables.allCases, [true, false])
  func `DEL removes the reference plugin's rules with or without its result, and no others`(
    tables: Tables, hasResult: Bool
  ) throws {
    try use(containers: 2, tables) { lab, path in
      _ = try attachByReference(lab, 2, path)
      let others = try rules(lab)
      // Each container has different addresses.
      #expect(others.contains { $0.contains("10.77.0.2/32") })
      let result = try attachByReference(lab, 1, path)
      #expect(try rules(lab).count > others.count)
      for _ in 1...2 { try detach(lab, after: hasResult ? result : nil, inNamespace: hasResult) }
      #expect(try rules(lab) == others)
    }
  }

  @Test(arguments: Tables.allCases)
  func `CHECK accepts the reference plugin's result and reports missing rules`(tables: Tables) throws {
    try use(tables) { lab, path in
      let result = try attachByReference(lab, 1, path)
      for (index, link) in Self.chain.enumerated() {
        let outcome = try lab.check(try config(index, after: nil), result, plugin: link.plugin)
        #expect(outcome.isSuccess, "\(link.plugin): \(outcome)")
      }
      try lab.shell(
        """
        iptables-\(tables) -F CNI-FORWARD
        for c in $(iptables-\(tables) -t nat -S | sed -n 's/^-N \\(CNI-DN-.*\\)/\\1/p'); do iptables-\(tables) -t nat -F $c; done
        iptables-\(tables) -t nat -F POSTROUTING
        """, in: lab.host)
      for (index, link) in Self.chain.enumerated() {
        let outcome = try lab.check(try config(index, after: nil), result, plugin: link.plugin)
        #expect(outcome.code == 101, "\(link.plugin): \(outcome)")
      }
    }
  }

  @Test(arguments: Tables.allCases)
  func `GC removes the reference plugin's rules of containers that are gone`(tables: Tables) throws {
    try use(containers: 2, tables) { lab, path in
      _ = try attachByReference(lab, 2, path)
      let others = try rules(lab)
      _ = try attachByReference(lab, 1, path)
      let config = try config(0, after: nil).with("cniVersion", "1.1.0")
      let both = try lab.collectGarbage(config, keeping: [1, 2])
      #expect(both.isSuccess, "\(both)")
      #expect(try rules(lab).count > others.count)
      let one = try lab.collectGarbage(config, keeping: [2])
      #expect(one.isSuccess, "\(one)")
      #expect(try rules(lab) == others)
      _ = try lab.collectGarbage(config, keeping: [])
      #expect(try rules(lab) == [])
    }
  }

  @Test func `a port that the reference plugin published before can be published by ours`() throws {
    try use(containers: 2, .nft) { lab, path in
      let result = try attachByReference(lab, 1, path)
      try detach(lab, after: result)
      let second = try lab.add(config(0, after: nil), to: 2).result()
      #expect(try lab.add(config(1, after: second), to: 2, plugin: "portmap").isSuccess)
      #expect(try lab.check(config(1, after: nil), second, on: 2, plugin: "portmap").isSuccess)
      let dead = second.text("ips.0.address") == "10.77.0.2/24" ? "10.77.0.3" : "10.77.0.2"
      #expect(try !rules(lab).contains { $0.contains(dead + ":80") })
    }
  }

  /// Adds the rules that release 1.9.1 of the reference makes with nftables.
  private func tablesOfNftables(_ lab: Lab, _ container: Int, _ address: String, _ port: Int) throws {
    let id = "\(lab.name)-c\(container)"
    try lab.shell(
      """
      hash() { printf %s "$1" | sha512sum | cut -c-16; }
      nft -f - << END
      add table inet cni_plugins_masquerade
      add chain inet cni_plugins_masquerade masq_checks
      add rule inet cni_plugins_masquerade masq_checks ip saddr == \(address) ip daddr != 10.77.0.0/24 masquerade comment "$(hash net)-$(hash eth0:\(id)), net: net, if: eth0, id: \(id)"
      add table ip cni_hostport
      add chain ip cni_hostport hostports
      add chain ip cni_hostport masquerading { type nat hook postrouting priority 100; }
      add rule ip cni_hostport hostports tcp dport \(port) dnat to \(address):80 comment "\(id)"
      add rule ip cni_hostport masquerading ip saddr \(address) ip daddr \(address) masquerade comment "\(id)"
      add table bridge nat
      add chain bridge nat PREROUTING { type filter hook prerouting priority -300; }
      add chain bridge nat cni-br-iface-\(id)-eth0
      add chain bridge nat cni-br-iface-\(id)-eth0-mac
      add rule bridge nat PREROUTING iifname veth1 jump cni-br-iface-\(id)-eth0 comment "macspoofchk-\(id)-eth0"
      add rule bridge nat cni-br-iface-\(id)-eth0 jump cni-br-iface-\(id)-eth0-mac comment "macspoofchk-\(id)-eth0"
      add rule bridge nat cni-br-iface-\(id)-eth0-mac drop comment "macspoofchk-\(id)-eth0"
      END
      """, in: lab.host)
  }

  @Test func `DEL removes rules from the reference plugin's own tables and no others`() throws {
    try use(containers: 2, .nft) { lab, _ in
      try tablesOfNftables(lab, 2, "10.77.0.3", 8081)
      let others = try rules(lab)
      try tablesOfNftables(lab, 1, "10.77.0.2", 8080)
      for _ in 1...2 { try detach(lab, after: nil, inNamespace: false) }
      #expect(try rules(lab) == others)
    }
  }
}
