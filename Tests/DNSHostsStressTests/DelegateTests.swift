import CNI
import Foundation
import LabSupport
import Testing

/// Mesos runs only one plugin for a network, so each plugin calls the next: dns-hosts, portmap, bridge.
@Suite(.needsRoot, .serialized)
struct DelegateTests {
  @Test func `a Mesos call gives the container address, port and names, and its DEL needs no namespace`()
    throws
  {
    try Lab.use { lab in
      let lab = try lab.withOwnState()
      defer { try? FileManager.default.removeItem(atPath: "/run/dcos/cni") }  // the host is private to the tests
      let before = try Self.traces(lab)
      let files = "/run/mesos/isolators/network/cni/\(Self.container)"
      defer { try? FileManager.default.removeItem(atPath: "/run/mesos") }  // the host is private to the tests
      let result = try lab.run(Self.call("ADD", lab.path(lab.container(1)))).result()
      #expect(result.text("cniVersion") == "0.1.0")
      #expect(result.text("ip4.ip") == "172.31.254.2/24")
      #expect(result.text("ip4.gateway") == "172.31.254.1")
      #expect(result.text("dns.nameservers.0") == "192.0.2.53")
      #expect(try lab.addresses(of: "eth0", in: lab.container(1)).first == "172.31.254.2/24")
      let hosts = try String(contentsOfFile: "\(files)/hosts", encoding: .utf8).split(separator: "\n")
      #expect(hosts.first == "172.31.254.2\t5c0ffee0-b1a")
      #expect(hosts.suffix(2) == ["172.31.254.2\tweb", "172.31.254.2\tweb.mesos-bridge"])
      #expect(try String(contentsOfFile: "\(files)/resolv.conf", encoding: .utf8).contains("nameserver 192.0.2.53\n"))
      #expect(try Self.traces(lab).contains("31000"))

      for _ in 1...2 { try lab.run(Self.call("DEL", nil)).requireSuccess() }
      #expect(!FileManager.default.fileExists(atPath: files))
      #expect(try lab.linkNames(in: lab.container(1)) == [])
      try lab.shell("ip link delete ucr-br0", in: lab.host)
      #expect(try Self.traces(lab) == before)
    }
  }

  @Test func `the container is detached again if its names cannot be written`() throws {
    try Lab.use { lab in
      let lab = try lab.withOwnState()
      defer { try? FileManager.default.removeItem(atPath: "/run/dcos/cni") }  // the host is private to the tests
      var call = Self.call("ADD", lab.path(lab.container(1)))
      call.config = try JSONValue(json: call.config).with("extraHosts", .array([.string("db:nowhere")])).line
      #expect(try lab.run(call).code == 7)
      #expect(try lab.linkNames(in: lab.container(1)) == [])
      let fifo = "/run/mesos/isolators/network/cni/\(Self.container)"
      defer { try? FileManager.default.removeItem(atPath: "/run/mesos") }  // the host is private to the tests
      try lab.shell("mkdir -p \(fifo); mkfifo \(fifo)/hosts")
      #expect(try lab.run(Self.call("ADD", lab.path(lab.container(1)))).code == 100)
      #expect(try lab.linkNames(in: lab.container(1)) == [])
      #expect(try !Self.traces(lab).contains("31000"))
    }
  }

  private static let container = "5c0ffee0-b1ab-4b1a-8b1a-b1ab1ab1ab1a"

  /// The variables are exactly those of Mesos' `network/cni` isolator.
  private static func call(_ command: String, _ namespace: String?) -> PluginCall {
    PluginCall(
      plugin: "dns-hosts", command: command, config: config,
      variables: [
        "CNI_CONTAINERID": container, "CNI_IFNAME": "eth0", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
      ].merging(namespace.map { ["CNI_NETNS": $0] } ?? [:]) { _, given in given })
  }

  /// The configuration that Marathon and Mesos make for an app on the DC/OS bridge, with dns-hosts as the outer plugin.
  private static let config = #"""
    {"args":{"org.apache.mesos":{"network_info":{"ip_addresses":[{"protocol":"IPv4"}],"labels":{"labels":[{"key":"name",
    "value":"web"}]},"name":"mesos-bridge","port_mappings":[{"container_port":80,"host_port":31000,"protocol":"tcp"}]}}},
    "dns":{"nameservers":["192.0.2.53"]},"files":"mesos",
    "delegate":{"chain":"UCR-DEFAULT-BRIDGE","delegate":{"bridge":"ucr-br0","forceAddress":false,"hairpinMode":true,
    "ipMasq":true,"ipam":{"dataDir":"/var/run/dcos/cni/networks","routes":[{"dst":"0.0.0.0/0"}],
    "subnet":"172.31.254.0/24","type":"host-local"},"isDefaultGateway":true,"type":"bridge"},
    "excludeDevices":["ucr-br0"],"type":"mesos-cni-port-mapper"},"name":"mesos-bridge","type":"dns-hosts"}
    """#

  /// Links, rules and leases.
  private static func traces(_ lab: Lab) throws -> String {
    try lab.shell(
      """
      ip -o link | cut -d: -f2; nft list ruleset; iptables-legacy-save | grep -E '^-A|^:[^ ]+ -' || true
      find /var/lib/cni /run/cni /run/swift-cni /var/run/dcos/cni/networks -name '172.*' -o -name '*.json' 2>/dev/null || true
      """, in: lab.host)
  }
}
