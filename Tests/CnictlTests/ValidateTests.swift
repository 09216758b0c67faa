import Testing

private func network(_ plugins: String, _ keys: String = "") -> String {
  #"{"cniVersion":"1.0.0","name":"blue",\#(keys)"plugins":[\#(plugins)]}"#
}

private let ipam = #""ipam":{"type":"ipam-host-local","ranges":[[{"subnet":"10.7.0.0/24"}]]}"#
private let first = #"{"type":"bridge","bridge":"t-br0",\#(ipam)}"#

private func bridge(_ keys: String) -> String { network(#"{"type":"bridge",\#(keys)}"#) }

private func hostLocal(_ keys: String) -> String {
  bridge(#""ipam":{"type":"ipam-host-local",\#(keys)}"#)
}

private func second(_ plugin: String) -> String { network("\(first),\(plugin)") }

private func overlay(_ keys: String, plane: String = #""static","peers":[]"#) -> String {
  network(#"{"type":"overlay-vxlan","vni":7,"controlPlane":{"type":\#(plane)},\#(keys)}"#)
}

private func multicast(_ keys: String, group: String = "239.1.1.1") -> String {
  overlay(#""dev":"eth0",\#(keys)"#, plane: #""multicast","group":"\#(group)""#)
}

/// Invalid lists, and the text that the message must contain for each.
private let broken: [(list: String, named: String)] = [
  (bridge(#""mtu":17"#), "\"mtu\""), (bridge(#""vlan":4095"#), "\"vlan\""),
  (bridge(#""hairpinMode":true,"promiscMode":true"#), "\"promiscMode\""),
  (bridge(#""bridge":"a-name-that-is-too-long""#), "\"bridge\""),
  (bridge(#""vlanTrunk":[{"minID":9,"maxID":3}]"#), "minID 9"),
  (bridge(#""gwPriority":99999999999"#), "gwPriority"),
  (bridge(#""disableContainerInterface":true,\#(ipam)"#), "\"disableContainerInterface\""),
  (bridge(#""mtu":1500,"mtu":1400"#), "mtu"),
  (hostLocal(#""ranges":[[{"subnet":"10.7.0.0/24","rangeStart":"10.8.0.1"}]]"#), "rangeStart"),
  (hostLocal(#""ranges":[[{"subnet":"10.7.0.0/24","rangeStart":"10.7.0.9","rangeEnd":"10.7.0.2"}]]"#), "rangeEnd"),
  (hostLocal(#""ranges":[[{"subnet":"10.7.0.0/24"}],[{"subnet":"10.7.0.0/25"}]]"#), "ranges[1]"),
  (network(#"{"type":"ptp","ipam":{"type":"ipam-host-local"}}"#), "no IP ranges"),
  (hostLocal(#""ranges":[[{"subnet":"10.7.0.0/24"}]],"resolvConf":"/none/resolv.conf""#), "/none/resolv.conf"),
  (network(#"{"type":"ptp"}"#), "\"ipam\""), (network(#"{"type":"dummy"}"#), "\"ipam\""),
  (network(#"{"type":"none",\#(ipam)}"#), "\"ipam\""), (network(#"{"type":"vlan","vlanId":7}"#), "\"master\""),
  (network(#"{"type":"macvlan","sourceMACs":["02:00:00:00:00:01"]}"#), "\"sourceMACs\""),
  (network(#"{"type":"portmap","capabilities":{"portMappings":true}}"#), "plugins[0].type"),
  (second(#"{"type":"portmap","masqAll":true,"snat":false}"#), "\"masqAll\""),
  (second(#"{"type":"portmap","markMasqBit":32}"#), "\"markMasqBit\""),
  (second(#"{"type":"portmap","capabilities":{"portmappings":true}}"#), "did you mean \"portMappings\""),
  (bridge(#""capabilities":{"portMappings":true}"#), "plugins[0].capabilities.portMappings"),
  (second(#"{"type":"firewall","ingressPolicy":"closed"}"#), "ingressPolicy"),
  (second(#"{"type":"tuning","txQLen":-1}"#), "\"txQLen\""),
  (second(#"{"type":"tuning","mac":"01:00:00:00:00:01"}"#), "MAC address"),
  (second(#"{"type":"bandwidht"}"#), "bandwidht"),
  (
    network(#"{"type":"overlay-vxlan","vni":7,"controlPlane":{"type":"static","peersFile":"/none/peers"}}"#),
    "/none/peers"
  ),
]

private let brokenOverlays: [(list: String, named: String)] = [
  (multicast(#""mode":"l3",\#(ipam)"#), "\"mode\""), (multicast(ipam, group: "10.0.0.1"), "\"controlPlane.group\""),
  (multicast(#""local":"fd00::1",\#(ipam)"#), "fd00::1"), (multicast(#""vrf":"t-red",\#(ipam)"#), "\"vrf\""),
  (overlay(ipam, plane: #""multicast","group":"239.1.1.1""#), "\"dev\""),
  (overlay(#""mode":"l4",\#(ipam)"#), "\"mode\""), (overlay(#""mode":"l3""#), "\"ipam\""),
  (overlay(#""vni":16777216,\#(ipam)"#).replacing(#""vni":7,"#, with: ""), "\"vni\""),
  (overlay(ipam).replacing(#""vni":7,"#, with: ""), "\"vni\""),
  (overlay(#""dstport":65536,\#(ipam)"#), "\"dstport\""), (overlay(#""mtu":17,\#(ipam)"#), "\"mtu\""),
  (overlay(#""ttl":256,\#(ipam)"#), "\"ttl\""), (overlay(#""df":"yes",\#(ipam)"#), "\"df\""),
  (overlay(#""isolation":"closed",\#(ipam)"#), "\"isolation\""),
  (overlay(#""bridge":"t-a","vxlan":"t-a",\#(ipam)"#), "\"bridge\" and \"vxlan\""),
  (overlay(#""isGateway":false,\#(ipam)"#), "\"isGateway\""), (overlay(#""learning":true,\#(ipam)"#), "\"learning\""),
  (overlay(#""learning":true,\#(ipam)"#, plane: #""evpn""#), "\"learning\""),
  (overlay(#""ipMasq":true,\#(ipam)"#), "\"network\""), (overlay(#""directRouting":true,\#(ipam)"#), "\"network\""),
  (overlay(#""neighSuppress":true,\#(ipam)"#), "\"neighSuppress\""),
  (overlay(#""gwPriority":99999999999,\#(ipam)"#), "gwPriority"),
  (overlay(#""l3vni":7,"vrf":"t-red",\#(ipam)"#, plane: #""evpn""#), "\"l3vni\""),
  (overlay(ipam, plane: #""static","peers":[{"vtep":"192.0.2.2"}]"#), "peer 192.0.2.2"),
  (overlay(#""mode":"l2",\#(ipam)"#, plane: #""static","peers":[{"vtep":"239.0.0.1"}]"#), "peer 239.0.0.1"),
  (overlay(#""mode":"l2","ipam":{"type":"ipam-host-local"}"#), "no IP ranges"),
  (
    overlay(#""mode":"l2",\#(ipam)"#, plane: #""etcd","endpoints":[]"#),
    "endpoints"
  ),
]

/// Lists that are valid, although not every host can run them.
private let sound = [
  multicast(ipam), overlay(ipam, plane: #""evpn""#),
  overlay(
    #""ipam":{"type":"ipam-host-local"}"#, plane: #""static","peers":[{"vtep":"192.0.2.2","subnet":"10.7.0.0/24"}]"#),
  overlay(
    #""ipMasq":true,"directRouting":true,"ipam":{"type":"ipam-host-local"}"#,
    plane: #""etcd","endpoints":["http://192.0.2.1:2379"]"#
  ).replacing(#""vni":7,"#, with: ""),
]

@Suite struct ValidateTests {
  @Test func `validate refuses what ADD would refuse and names the key`() throws {
    let rows = broken + brokenOverlays
    for (row, answer) in zip(rows, try answers(to: rows.map(\.list))) {
      #expect(answer.hasPrefix("refused") && answer.contains(row.named), "\(row.list)\n\(answer)")
    }
  }

  @Test func `validate accepts missing keys that the host or the control plane provides`() throws {
    for (list, answer) in zip(sound, try answers(to: sound)) {
      #expect(answer.hasPrefix("ok"), "\(list)\n\(answer)")
    }
  }

  /// "ok" or "refused" for each list, and the output of `cnictl`.
  private func answers(to lists: [String]) throws -> [String] {
    let script = lists.enumerated().map { number, list in
      """
      echo '\(list)' > /run/net-\(number).conflist
      if cnictl validate /run/net-\(number).conflist > /run/said 2>&1; then echo "=ok"; else echo "=refused"; fi
      cat /run/said
      """
    }
    let answers = try Sandbox.output(script.joined(separator: "\n")).split(separator: "=").map(String.init)
    try #require(answers.count == lists.count)
    return answers
  }

  @Test func `validate refuses a second file with the same name and skips plugins without VALIDATE`() throws {
    let answer = try Sandbox.run(
      """
      network blue fake; cp /run/net.d/blue.conflist /run/net.d/red.conflist; cnictl validate; cat /run/calls
      """)
    #expect(answer.status == 1)
    let lines = answer.output.split(separator: "\n")
    #expect(lines.contains("/run/net.d/blue.conflist: ok"))
    #expect(
      lines.contains("/run/net.d/red.conflist: error: network blue is already defined by /run/net.d/blue.conflist"))
    #expect(!answer.output.contains("VALIDATE"))
  }
}
