import CNI
import NetTypes
import TestSupport
import Testing
@testable import overlay_vxlan

@Suite struct RefusalTests {
  /// Keys that are added to a fixture, and the code and message of the error.
  static let refused: [(json: String, code: UInt32, message: String)] = [
    (#"{"vni":1}"#, 7, #"key "controlPlane": missing"#),
    (plane(#""type":"gossip""#), 7, #"key "controlPlane.type": "gossip": want static, multicast, evpn or etcd"#),
    (plane(#""type":"consul""#), 2, #"key "controlPlane.type": "consul": want static, multicast, evpn or etcd"#),
    (plane(#""type":"static""#), 7, #"key "controlPlane": want "peers", "peersFile" or both"#),
    (keys(#""vrf":"red""#), 7, #"key "vrf": "red": only a routing daemon fills it"#),
    (keys(#""mode":"l4""#), 7, #"key "mode": "l4": want l2 or l3"#),
    (
      keys(#""mode":"l3""#, Fixture.evpn), 7,
      #"key "mode": "l3": controlPlane "evpn" does not provide the subnets of hosts"#
    ),
    (keys(#""mode":"l3""#, Fixture.multicast), 7, #"key "mode": "l3": controlPlane "multicast" does not provide"#),
    (keys(#""vni":0"#), 7, #"key "vni": 0: want 1 to 16777215"#),
    (keys(#""dstport":65536"#), 7, #"key "dstport": 65536: want 1 to 65535"#),
    (keys(#""network":"10.0.0.0""#), 7, #"key "network": "10.0.0.0": want"#),
    (keys(#""ttl":256"#), 7, #"key "ttl": 256: want 0 to 255"#),
    (keys(#""df":"maybe""#), 7, #"key "df": "maybe": want unset, set or inherit"#),
    (keys(#""local":"192.0.2.9""#), 7, #"key "local": "192.0.2.9": this host does not have it"#),
    (keys(#""local":"here""#), 7, #"key "local": "here": want auto, or an IPv4 or IPv6 address"#),
    (keys(#""dev":"eth9""#), 7, #"addresses: no such device"#),
    (
      keys(#""mtu":1500"#), 7,
      #"key "mtu": 1500: the underlay carries 1500 bytes, and the tunnel takes 50 of them: want at most 1450"#
    ),
    (keys(#""isGateway":false"#), 7, #"key "isGateway": false: mode l3 routes through the host"#),
    (keys(#""learning":true"#), 7, #"key "learning": true: mode l3 knows where each subnet is"#),
    (keys(#""learning":true"#, Fixture.evpn), 7, #"key "learning": true: with evpn the routing daemon knows"#),
    (keys(#""neighSuppress":true"#), 7, #"key "neighSuppress": given: it is only valid in mode l2"#),
    (keys(#""gatewayMac":"02:00:00:00:00:01""#), 7, #"key "gatewayMac": "02:00:00:00:00:01": it is only valid"#),
    (keys(#""directRouting":true"#, Fixture.bridged), 7, #"key "directRouting": given: it is only valid in mode l3"#),
    (keys(#""directRouting":true"#), 7, #"key "directRouting": true: "network" is missing"#),
    (
      keys(#""isGateway":false,"isDefaultGateway":true"#, Fixture.bridged), 7,
      #"key "isDefaultGateway": true: "isGateway" is false"#
    ),
    (keys(#""ipMasq":true"#), 7, #"key "ipMasq": true: "network" is missing"#),
    (
      keys(#""ipMasq":true,"network":["10.0.0.0/8","172.16.0.0/12"]"#), 7,
      #"key "network": 10.0.0.0/8, 172.16.0.0/12: want at most one prefix of each family with "ipMasq""#
    ),
    (keys(#""isolation":"internal""#), 7, #"key "isolation": "internal": want none, network or container"#),
    (keys(#""vtepMac":"01:00:00:00:00:01""#, Fixture.evpn), 7, #"key "vtepMac": "01:00:00:00:00:01": want a unicast"#),
    (keys(#""vtepMac":"00:00:00:00:00:00""#, Fixture.evpn), 7, #"key "vtepMac": "00:00:00:00:00:00": want a unicast"#),
    (keys(#""gatewayMac":"01:00:5e:00:00:01""#, Fixture.evpn), 7, #"key "gatewayMac": "01:00:5e:00:00:01": want"#),
    (keys(#""bridge":"vx-net""#), 7, #"keys "bridge" and "vxlan": both are vx-net: want two different names"#),
    (
      keys(#""controlPlane":{"type":"multicast","group":"10.0.0.1"}"#, Fixture.multicast), 7, "want a multicast address"
    ),
    (#"{"vni":5,"controlPlane":{"type":"multicast","group":"239.1.1.1"}}"#, 7, #"key "dev": missing"#),
    (
      #"{"vni":5,"controlPlane":{"type":"multicast","group":"ff05::1"},"dev":"uplink"}"#, 7,
      #"key "local": "auto": uplink has no"#
    ),
    (
      keys(#""policy":{}"#), 7, #"key "policy": packets of several networks arrive by the tunnel: want the key network"#
    ),
    (keys(#""policy":{}"#, Fixture.bridged), 7, #"key "policy": in mode l2 the reply of a container on another host"#),
    (policy(#""directRouting":true"#), 7, #"key "policy": with directRouting, packets of other hosts arrive by"#),
    (policy(#""macLearning":true"#), 7, #"key "policy": the rules match source addresses, which must be checked"#),
    (policy(#""ipspoofchk":false"#), 7, #"key "policy": the rules match source addresses, which must be checked"#),
    (
      keys(#""policy":{"egress":[{"to":{"network":"net"}}]},"network":"10.0.0.0/8""#), 7,
      #"key "policy": network "net" is the container's own"#
    ),
    (keys(#""args":{"cni":{"links":[{"container":"a","ports":["80/tcp"]}]}}"#), 2, #"key "args.cni.links""#),
  ]

  /// A fixture's configuration with these keys, which replace its own.
  private static func keys(_ keys: String, _ json: String = Fixture.routed) -> String {
    let names = keys.split(separator: "\"").first.map(String.init) ?? ""
    return "{" + keys + "," + json.dropFirst().replacing("\"\(names)\"", with: "\"x-\(names)\"")
  }

  private static func policy(_ other: String) -> String {
    keys(#""policy":{"ingress":[]},"network":"10.0.0.0/8",\#(other)"#)
  }

  private static func plane(_ keys: String) -> String { "{\"vni\":1,\"controlPlane\":{\(keys)},\(Fixture.addresses)}" }

  @Test(arguments: refused)
  func `an invalid configuration is refused with the key`(
    json: String, code: UInt32, message: String
  ) throws {
    let fixture = Fixture()
    let before = fixture.kernel.state
    let error = try #require(try fixture.refusal(json))
    #expect(error.code.rawValue == code)
    #expect(error.message.contains(message))
    #expect(fixture.kernel.state == before)
  }

  /// Peers, and the error in mode l3 or l2.
  static let peers: [(mode: String, peers: String, message: String)] = [
    ("l3", #"{"vtep":"192.0.2.2"}"#, #"peer 192.0.2.2: "subnet" is missing"#),
    ("l3", #"{"vtep":"fd00::2","subnet":"10.2.0.0/24"}"#, "peer fd00::2: want a unicast IPv4 address, as local"),
    ("l3", #"{"vtep":"192.0.2.2","subnet":"10.2.0.0/24","endpoints":[{"ip":"10.2.0.2"}]}"#, #"want no "endpoints""#),
    (
      "l3", #"{"vtep":"192.0.2.2","subnet":"10.2.0.0/24"},{"vtep":"192.0.2.3","subnet":"10.2.0.0/24"}"#,
      "peer 192.0.2.3: subnet 10.2.0.0/24 belongs to 192.0.2.2"
    ),
    (
      "l3", #"{"vtep":"192.0.2.1","subnet":"10.2.0.0/24"},{"vtep":"192.0.2.3","subnet":"10.2.0.7/24"}"#,
      "peer 192.0.2.3: subnet 10.2.0.0/24 belongs to 192.0.2.1"
    ),
    (
      "l3",
      """
      {"vtep":"192.0.2.2","subnet":"10.2.0.0/24","vtepMac":"02:00:00:00:00:01"},
      {"vtep":"192.0.2.3","subnet":"10.3.0.0/24","vtepMac":"02:00:00:00:00:01"}
      """, "peer 192.0.2.3: MAC address 02:00:00:00:00:01 belongs to 192.0.2.2"
    ),
    ("l3", #"{"vtep":"192.0.2.2","subnet":"10.1.0.0/16"}"#, "address 10.1.0.5/24: subnet 10.1.0.0/16 is behind peer"),
    (
      "l3", #"{"vtep":"192.0.2.1","subnet":"10.9.0.0/24"}"#,
      "address 10.1.0.5/24: other hosts route to this host only 10.9.0.0/24"
    ),
    ("l3", #"{"vtep":"192.0.2.2","subnet":"10.2.0.0/24","port":4}"#, #"key "controlPlane.peers[0].port": want vtep"#),
    ("l2", #"{"vtep":"192.0.2.2","subnet":"10.2.0.0/24"}"#, #"want no "subnet""#),
    ("l2", #"{"vtep":"192.0.2.2","vtepMac":"02:00:00:00:00:01"}"#, #"want no "vtepMac""#),
    ("l2", #"{"vtep":"239.0.0.1"}"#, "peer 239.0.0.1: want a unicast IPv4 address, as local"),
  ]

  @Test(arguments: peers)
  func `invalid peers are refused`(mode: String, peers: String, message: String) throws {
    let fixture = Fixture()
    let before = fixture.kernel.state
    let json = """
      {"mode":"\(mode)","vni":1,"local":"192.0.2.1","controlPlane":{"type":"static","peers":[\(peers)]},
      \(Fixture.addresses)}
      """
    let error = try #require(try fixture.refusal(json))
    #expect(error.code == .invalidNetworkConfig)
    #expect(error.message.contains(message))
    #expect(fixture.kernel.state == before)
  }

  @Test(arguments: ["l3", "l2"])
  func `IPAM dhcp is refused with controlPlane etcd`(mode: String) throws {
    let fixture = Fixture()
    let json = """
      {"mode":"\(mode)","vni":1,"controlPlane":{"type":"etcd","endpoints":["http://127.0.0.1:2379"]},
      "ipam":{"type":"dhcp"}}
      """
    let error = try #require(try fixture.refusal(json))
    #expect(error.message.hasPrefix(#"key "ipam.type": "dhcp": "#))
  }
}
