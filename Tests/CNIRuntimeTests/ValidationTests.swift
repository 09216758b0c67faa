import CNI
import CNIRuntime
import Foundation
import NetTypes
import Testing

private func findings(_ text: String, routes: [HostRoute] = []) -> [String] {
  Validator(others: [], hostRoutes: routes).findings(Array(text.utf8)).map { "\($0.severity.rawValue): \($0.text)" }
}

private func bridge(_ keys: String) -> String { network("bridge", keys) }

private func network(_ type: String, _ keys: String) -> String {
  #"{"name":"blue","plugins":[{"type":"\#(type)",\#(keys)}]}"#
}

@Suite struct ValidationTests {
  @Test(arguments: [
    (bridge(#""isGatewya":true"#), [#"error: unknown key "plugins[0].isGatewya": did you mean "isGateway"?"#]),
    (bridge(#""somethingElse":1"#), [#"error: unknown key "plugins[0].somethingElse""#]),
    (bridge(#""ISGATEWAY":true,"mtu":null,"bridge":"""#), []),
    (bridge(#""mtu":"1500""#), [#"error: key "plugins[0].mtu": "1500": want a whole number"#]),
    (bridge(#""mtu":1500.5"#), [#"error: key "plugins[0].mtu": 1500.5: want a whole number"#]),
    (bridge(#""isGateway":"yes""#), [#"error: key "plugins[0].isGateway": "yes": want true or false"#]),
    (bridge(#""bridge":7"#), [#"error: key "plugins[0].bridge": 7: want a string"#]),
    (bridge(#""vlanTrunk":{}"#), [#"error: key "plugins[0].vlanTrunk": {}: want a list"#]),
    (
      bridge(#""vlanTrunk":[{"id":1},{"maxID":3},{"minIDD":3}]"#),
      [#"error: unknown key "plugins[0].vlanTrunk[2].minIDD": did you mean "minID"?"#]
    ),
    (
      bridge(#""ipMasqBackend":"ipfw""#),
      [#"error: key "plugins[0].ipMasqBackend": "ipfw": want one of iptables, nftables"#]
    ),
    (bridge(#""ipam":{"subnet":"auto"}"#), [#"error: missing key "plugins[0].ipam.type": want an IPAM plugin's name"#]),
    (bridge(#""ipam":{}"#), []), (bridge(#""ipam":{"type":""}"#), []),
    (
      bridge(#""ipam":{"type":"","subnet":"auto"}"#),
      [#"error: missing key "plugins[0].ipam.type": want an IPAM plugin's name"#]
    ),
    (bridge(#""acceptRA":true"#), []),
    (
      bridge(#""ipam":{"type":"host-local","ranges":[[{"subnet":"10.0.0.0/24","rangeEnd":"10.0.0.255"}]]}"#),
      [
        #"note: key "plugins[0].ipam.ranges[0][0].rangeEnd": 10.0.0.255 is the subnet's broadcast address and is not handed out"#
      ]
    ),
    (
      bridge(#""ipam":{"type":"host-local","subnet":"auto-ipv6","ranges":[[{"subnet":"10.0.0.0/24","gatway":"x"}]]}"#),
      [#"error: unknown key "plugins[0].ipam.ranges[0][0].gatway": did you mean "gateway"?"#]
    ),
    (
      bridge(#""ipam":{"type":"ipam-host-local","routes":[{"dst":"10.0.0.0"}]}"#),
      [#"error: key "plugins[0].ipam.routes[0].dst": "10.0.0.0": want \#(IPPrefix.expectedForm)"#]
    ),
    (
      bridge(#""ipam":{"type":"static","addresses":[{"adress":"10.0.0.2/24"}]}"#),
      [#"error: unknown key "plugins[0].ipam.addresses[0].adress": did you mean "address"?"#]
    ),
    (
      bridge(#""ipam":{"type":"mine","x":1}"#),
      [#"note: plugins[0].ipam.type "mine": its keys are unknown to cnictl and were not checked"#]
    ),
    (
      #"{"name":"blue","disableCheque":true,"plugins":[{"type":"mine","x":1}]}"#,
      [
        #"error: unknown key "disableCheque": did you mean "disableCheck"?"#,
        #"note: plugins[0].type "mine": its keys are unknown to cnictl and were not checked"#,
      ]
    ),
    (#"{"name":"blue","type":"none","cniVersions":["1.0.0"],"mtu":1}"#, [#"error: unknown key "mtu""#]),
    (
      #"{"name":"blue","plugins":[{"type":"bridge","mtuu":1},{}]}"#,
      [
        #"error: missing key "plugins[1].type": want \#(PluginType.expectedForm)"#,
        #"error: unknown key "plugins[0].mtuu": did you mean "mtu"?"#,
      ]
    ),
    ("{", ["error: not valid JSON"]),
    (
      network("macvlan", #""mode":"bridged","sourceMACs":["02:00:00:00:00:01","x"]"#),
      [
        #"error: key "plugins[0].mode": "bridged": want one of bridge, private, vepa, passthru, source"#,
        #"error: key "plugins[0].sourceMACs[1]": "x": want \#(MACAddress.expectedForm)"#,
      ]
    ),
    (
      network("ipvlan", #""mode":"l4","flag":"public","mac":"02:00:00:00:00:01""#),
      [
        #"error: key "plugins[0].flag": "public": want one of bridge, private, vepa"#,
        #"error: unknown key "plugins[0].mac""#,
        #"error: key "plugins[0].mode": "l4": want one of l2, l3, l3s"#,
      ]
    ),
    (network("vlan", #""vlanId":"7""#), [#"error: key "plugins[0].vlanId": "7": want a whole number"#]),
    (network("vlan", #""vlan":7"#), [#"error: unknown key "plugins[0].vlan": did you mean "vlanId"?"#]),
    (network("dummy", #""master":"eth0""#), [#"error: unknown key "plugins[0].master""#]),
    (
      network("dns-hosts", #""file":"netns","hosts":"no","extraHosts":"db:10.0.0.9""#),
      [
        #"error: key "plugins[0].extraHosts": "db:10.0.0.9": want a list"#,
        #"error: unknown key "plugins[0].file": did you mean "files"?"#,
        #"error: key "plugins[0].hosts": "no": want true or false"#,
        #"error: key "plugins[0].type": "dns-hosts" changes the interface that another plugin made"#,
      ]
    ),
    (
      network("dns-hosts", #""etcd":{"endpoint":"http://a:2379","leaseTTL":"1"}"#),
      [
        #"error: unknown key "plugins[0].etcd.endpoint": did you mean "endpoints"?"#,
        #"error: key "plugins[0].etcd.leaseTTL": "1": want a whole number"#,
        #"error: key "plugins[0].type": "dns-hosts" changes the interface that another plugin made"#,
      ]
    ),
    (
      network("ptp", #""pear":"db","ipMasqBackend":"ipfw""#),
      [
        #"error: key "plugins[0].ipMasqBackend": "ipfw": want one of iptables, nftables"#,
        #"error: unknown key "plugins[0].pear": did you mean "peer"?"#,
      ]
    ),
    (
      #"""
      {"cniVersion":"1.0.0","name":"net","plugins":[{"type":"ptp"},{"type":"dns-hosts"},
        {"type":"service","service":"web","vip":["10.0.0.9"],"ports":[{"port":80}]}]}
      """#,
      [#"error: key "plugins[1].type": "dns-hosts" would not write the service's name: want it after "service""#]
    ),
  ])
  func `validate finds and names mistakes`(text: String, expected: [String]) {
    let found = findings(text)
    #expect(found.count == expected.count && zip(found, expected).allSatisfy { $0.hasPrefix($1) }, "\(found)")
  }

  @Test(arguments: [
    (
      "macvlan",
      #"""
      "master":"eth0","mode":"source","sourceMACs":["02:00:00:00:00:01"],"mac":"02:00:00:00:00:02","mtu":1400,
      "linkInContainer":false,"bcqueuelen":1000,"hostAccess":true,"enabledad":true,"gwPriority":1
      """#
    ),
    (
      "ipvlan",
      #"""
      "master":"eth0","mode":"l3s","flag":"vepa","mtu":1400,"linkInContainer":false,"enabledad":true,"gwPriority":1
      """#
    ),
    ("vlan", #""master":"eth0","vlanId":7,"mtu":1400,"linkInContainer":false,"enabledad":true,"gwPriority":1"#),
    ("dummy", #""gwPriority":1"#),
    (
      "ptp",
      #"""
      "ipMasq":true,"ipMasqBackend":"nftables","backend":"nftables","ipMasqRandomFully":true,"ipForward":true,
      "mtu":1400,"macFromIP":true,"gwPriority":1,"enabledad":true,"peer":"db","peerIfName":"web0"
      """#
    ),
    (
      "dns-hosts",
      #"""
      "domain":"example.com","hosts":true,"stateDir":"/run/x","files":"dir","dir":"/run/y","delegate":{"type":"bridge"},
      "hostsFile":"/a/{containerID}","resolvConf":false,"hostnameFile":false,
      "extraHosts":["db:10.0.0.9",{"ip":"10.0.0.9","hostnames":["db"]}]
      """#
    ),
  ])
  func `validate knows every key of a plugin`(type: String, keys: String) {
    let ipam = #""ipam":{"type":"host-local","subnet":"10.0.0.0/24"}"#
    #expect(findings(network(type, "\(keys),\(ipam)")) == [])
  }

  @Test(arguments: [
    (#""backend":"firewalld","firewalldZone":"pods","ingressPolicy":"same-bridge""#, []),
    (#""backend":"","iptablesAdminChainName":"OPS""#, []),
    (
      #""backend":"ufw""#,
      [#"error: key "plugins[1].backend": "ufw": want one of iptables, nftables, firewalld"#]
    ),
  ])
  func `validate knows the keys of firewall`(keys: String, expected: [String]) {
    let main = #"{"type":"bridge","ipam":{"type":"host-local","subnet":"10.0.0.0/24"}}"#
    #expect(findings(#"{"name":"blue","plugins":[\#(main),{"type":"firewall",\#(keys)}]}"#) == expected)
  }

  @Test(arguments: [
    ("10.1.0.0/16", ["subnet 10.1.0.0/16 overlaps the host's route to 10.1.2.0/24 by eth0"]),
    ("10.3.0.0/16", []),
    ("fd00::/48", ["subnet fd00::/48 overlaps the host's route to fd00:0:0:1::/64 by eth0"]),
    ("10.9.9.0/30", ["subnet 10.9.9.0/30 overlaps 10.9.0.0/16 of network red (/x/red.conf)"]),
  ])
  func `validate names the network or route that overlaps the subnet`(subnet: String, expected: [String]) throws {
    let routes = [
      HostRoute(destination: try valid("10.1.2.0/24"), interface: "eth0"),
      HostRoute(destination: try valid("10.3.0.0/16"), interface: "br7"),
      HostRoute(destination: try valid("fd00:0:0:1::/64"), interface: "eth0"),
    ]
    let other = #"{"name":"red","type":"bridge","ipam":{"type":"host-local","subnet":"10.9.0.0/16"}}"#
    let same = #"{"name":"blue","type":"bridge","ipam":{"type":"host-local","subnet":"10.0.0.0/8"}}"#
    let validator = Validator(
      others: [
        ConfigDirectory.Entry(list: try list(other), file: "/x/red.conf"),
        ConfigDirectory.Entry(list: try list(same), file: "/x/blue.conf"),
      ], hostRoutes: routes)
    let text = bridge(#""bridge":"br7","ipam":{"type":"host-local","ranges":[[{"subnet":"\#(subnet)"}]]}"#)
    #expect(validator.findings(Array(text.utf8)).map(\.text) == expected)
  }

  @Test(arguments: [
    ("macvlan", #""master":"eth0""#, []),
    ("macvlan", #""mode":"bridge""#, []),
    ("ipvlan", #""master":"eth1""#, ["subnet 10.1.0.0/16 overlaps the host's route to 10.1.2.0/24 by eth0"]),
    (
      "ptp", #""ipMasq":true"#,
      ["subnet 10.1.0.0/16 overlaps the host's route to 10.1.2.0/24 by eth0"]
    ),
  ])
  func `a network on a parent may use the subnet of the parent`(type: String, keys: String, expected: [String]) throws {
    let routes = [
      HostRoute(destination: try valid("10.1.2.0/24"), interface: "eth0"),
      HostRoute(destination: try valid("10.1.0.5/32"), interface: "veth7"),
    ]
    let text = network(type, #"\#(keys),"ipam":{"type":"host-local","ranges":[[{"subnet":"10.1.0.0/16"}]]}"#)
    #expect(findings(text, routes: routes) == expected.map { "error: \($0)" })
  }

  @Test func `validate reports missing and too old plugins, also IPAM plugins`() throws {
    try FakePlugins.with(["one"]) { host in
      let text = #"{"cniVersion":"0.3.1","name":"blue","type":"one","ipam":{"type":"two"}}"#
      let found = host.runtime().pluginFindings(try list(text)).map(\.text)
      #expect(found.count == 2)
      #expect(found.first == "plugin one does not support version 0.3.1: it supports 0.4.0, 1.0.0, 1.1.0")
      #expect(found.last?.hasPrefix(#"no plugin "two" in"#) == true)
    }
  }
}
