import BaseSupport
import CNI
import Foundation
import LabSupport
import Testing

// Group: multihost

/// A configuration that must be refused without any change.
struct BadInput: Sendable {
  var kind: OverlayNetwork.Kind
  /// Members that are added to a valid configuration of this kind or replace some; `null` removes one.
  var keys: String
  var code: Int
  /// Texts that the error must contain.
  var fragments: [String]

  init(_ kind: OverlayNetwork.Kind, _ keys: String, code: Int = 7, _ fragments: String...) {
    self.kind = kind
    self.keys = keys
    self.code = code
    self.fragments = fragments
  }
}

/// Every key with invalid values and in invalid combinations.
@Suite(.needsRoot) struct BadInputTests {
  @Test func `ADD refuses invalid keys by name and changes nothing`() throws {
    try Cluster.use(hosts: 2, containers: 1, defaultRoutes: true) { cluster in
      let lab = cluster.hosts[0]
      try lab.shell("ip link set lo up", in: lab.container(1))
      try "garbage".write(toFile: "\(lab.directory)/garbage", atomically: true, encoding: .utf8)
      try #"{"pears": []}"#.write(toFile: "\(lab.directory)/pears", atomically: true, encoding: .utf8)
      let before = try Snapshot(of: lab)
      let table = Self.types + Self.ranges + Self.combinations + Self.peers + Self.planes
      let outcomes = atOnce(table.count, workers: 4) { index in
        let bad = table[index]
        let keys = bad.keys.replacing("DIR", with: lab.directory)
        let network = OverlayNetwork(
          cluster: cluster, kind: bad.kind, number: 1, keys: try JSONValue(json: keys))
        return try network.add(as: "eth\(index)")
      }
      for (bad, result) in zip(table, outcomes) {
        let outcome = try result.get()
        let missing = bad.fragments.filter { !outcome.complaint.contains($0) }
        #expect(outcome.code == bad.code && missing == [], "\(bad.kind) \(bad.keys): \(outcome)")
      }
      try lab.expectUnchanged(since: before)
    }
  }

  private static let flags = [
    "learning", "udpcsum", "udp6zerocsumtx", "udp6zerocsumrx", "txChecksumOffload", "isGateway", "isDefaultGateway",
    "ipMasq", "ipMasqRandomFully", "ipForward", "macFromIP", "enabledad", "hairpinMode", "portIsolation",
    "directRouting", "neighSuppress",
  ]
  private static let texts = [
    "mode", "local", "dev", "df", "bridge", "vxlan", "vtepMac", "gatewayMac", "ipMasqBackend", "backend", "isolation",
  ]
  private static let numbers = ["vni", "dstport", "ttl", "mtu", "gwPriority"]

  static let types: [BadInput] =
    flags.flatMap { key in
      [#""yes""#, "1"].map { BadInput(.l2, #"{"\#(key)": \#($0)}"#, "\"\(key)\"", "true or false") }
    }
    + texts.flatMap { key in ["5", "[]"].map { BadInput(.l3, #"{"\#(key)": \#($0)}"#, "\"\(key)\"") } }
    + numbers.flatMap { key in
      [#""high""#, "1.5", "true"].map { BadInput(.l2, #"{"\#(key)": \#($0)}"#, "\"\(key)\"") }
    }
    + ["5", #""static""#, "[]"].map { BadInput(.l3, #"{"controlPlane": \#($0)}"#, "\"controlPlane\"") }
    + ["5", "true", "[5]", #""fd88::1::2""#].map { BadInput(.l3, #"{"network": \#($0)}"#, "network") }

  static let ranges: [BadInput] = [
    .init(.l2, #"{"mode": "l4"}"#, "\"mode\"", "l4", "l2", "l3"),
    .init(.l3, #"{"vni": null}"#, "\"vni\""), .init(.l3, #"{"vni": 0}"#, "\"vni\"", "16777215"),
    .init(.l3, #"{"vni": -1}"#, "\"vni\"", "16777215"), .init(.l3, #"{"vni": 16777216}"#, "\"vni\"", "16777215"),
    .init(.l2, #"{"dstport": 0}"#, "\"dstport\"", "65535"), .init(.l2, #"{"dstport": 65536}"#, "\"dstport\"", "65535"),
    .init(.l2, #"{"ttl": -1}"#, "\"ttl\"", "255"), .init(.l2, #"{"ttl": 256}"#, "\"ttl\"", "255"),
    .init(.l2, #"{"df": "maybe"}"#, "\"df\"", "maybe"),
    .init(.l3, #"{"local": "here"}"#, "\"local\"", "here"), .init(.l3, #"{"local": "172.30.0.11/24"}"#, "\"local\""),
    .init(.l3, #"{"local": "224.0.0.1"}"#, "local", "224.0.0.1"),
    .init(.l2, #"{"dev": "a-name-of-seventeen"}"#, "\"dev\""), .init(.l2, #"{"dev": "a/b"}"#, "\"dev\""),
    .init(.l2, #"{"dev": "nowhere"}"#, "nowhere"),
    .init(.l2, #"{"bridge": "a-name-of-seventeen"}"#, "\"bridge\""), .init(.l2, #"{"vxlan": "a/b"}"#, "\"vxlan\""),
    .init(.l2, #"{"bridge": "same", "vxlan": "same"}"#, "bridge", "vxlan", "same"),
    .init(.l3, #"{"vtepMac": "nonsense"}"#, "\"vtepMac\"", "nonsense"),
    .init(.l3, #"{"vtepMac": "01:00:5e:00:00:01"}"#, "vtepMac", "01:00:5e:00:00:01"),
    .init(.l3, #"{"vtepMac": "00:00:00:00:00:00"}"#, "vtepMac", "00:00:00:00:00:00"),
    .init(.l2, #"{"gatewayMac": "nonsense"}"#, "\"gatewayMac\""),
    .init(.l2, #"{"gatewayMac": "33:33:00:00:00:01"}"#, "gatewayMac", "33:33:00:00:00:01"),
    .init(.l2, #"{"mtu": -1}"#, "\"mtu\"", "-1"), .init(.l2, #"{"mtu": 65536}"#, "\"mtu\"", "65536"),
    .init(.l2, #"{"mtu": 1451}"#, "mtu", "1451", "1450"), .init(.l3, #"{"mtu": 1500}"#, "mtu", "1500", "1450"),
    .init(.l2, #"{"mtu": 1279}"#, "mtu", "1279", "1280"),
    .init(.l3, #"{"network": "10.0.0.0/33"}"#, "\"network\"", "10.0.0.0/33"),
    .init(.l3, #"{"isolation": "total"}"#, "\"isolation\"", "total"),
    .init(.l3, #"{"backend": "pf"}"#, "\"backend\"", "pf"), .init(.l3, #"{"gwPriority": 100}"#, "\"gwPriority\"", "99"),
    .init(.l3, #"{"runtimeConfig": {"mac": "01:00:5e:00:00:01"}}"#, "01:00:5e:00:00:01"),
  ]

  static let combinations: [BadInput] = [
    .init(.multicast, #"{"mode": "l3"}"#, "mode", "l3", "multicast"),
    .init(.multicast, #"{"dev": null}"#, "dev"),
    .init(.multicast, #"{"local": "fd30::11"}"#, "local", "fd30::11", "239.1.1.1"),
    .init(.l3, #"{"learning": true}"#, "learning"),
    .init(.l3, #"{"isGateway": false}"#, "isGateway"),
    .init(.l2, #"{"isGateway": false, "isDefaultGateway": true}"#, "isGateway", "isDefaultGateway"),
    .init(.l2, #"{"directRouting": true}"#, "directRouting"),
    .init(.l3, #"{"network": null, "directRouting": true}"#, "directRouting", "network"),
    .init(.l3, #"{"network": null, "ipMasq": true}"#, "network", "ipMasq"),
    .init(.l2, #"{"ipMasqRandomFully": true}"#, "ipMasqRandomFully", "ipMasq"),
    .init(.l3, #"{"vrf": "red"}"#, "\"vrf\""), .init(.l2, #"{"l3vni": 4000}"#, "\"l3vni\"", "\"vrf\""),
    .init(.l3, #"{"local": "fd30::11"}"#, "fd30::11", "172.30.0."),
  ]

  private static func routed(_ peers: String, _ fragments: String...) -> BadInput {
    var bad = BadInput(.l3, #"{"controlPlane": {"type": "static", "peers": \#(peers)}}"#)
    bad.fragments = fragments
    return bad
  }

  private static func flat(_ peers: String, _ fragments: String...) -> BadInput {
    var bad = BadInput(.l2, #"{"controlPlane": {"type": "static", "peers": \#(peers)}}"#)
    bad.fragments = fragments
    return bad
  }

  static let peers: [BadInput] = [
    routed("5", "peers"), routed("[5]", "peers"), routed("[{}]", "vtep"),
    routed(#"[{"subnet": "10.9.2.0/24"}]"#, "vtep"), routed(#"[{"vtep": "there", "subnet": "10.9.2.0/24"}]"#, "there"),
    routed(#"[{"vtep": "172.30.0.12"}]"#, "172.30.0.12", "subnet"),
    routed(#"[{"vtep": "172.30.0.12", "subnet": "all"}]"#, "subnet", "all"),
    routed(#"[{"vtep": "172.30.0.12", "subnet": "10.9.2.0/24", "weight": 3}]"#, "weight"),
    routed(#"[{"vtep": "172.30.0.12", "subnet": "10.9.2.0/24", "vtepMac": "nonsense"}]"#, "vtepMac", "nonsense"),
    routed(#"[{"vtep": "172.30.0.12", "subnet": "10.9.2.0/24", "endpoints": [{"ip": "10.9.2.2"}]}]"#, "endpoints"),
    routed(
      #"[{"vtep": "172.30.0.12", "subnet": "10.9.2.0/24"}, {"vtep": "172.30.0.13", "subnet": "10.9.2.0/24"}]"#,
      "172.30.0.12", "172.30.0.13", "10.9.2.0/24"),
    routed(
      #"[{"vtep": "172.30.0.12", "subnet": "10.9.2.0/24"}, {"vtep": "fd30::12", "subnet": "10.9.3.0/24"}]"#,
      "172.30.0.11", "fd30::12"),
    routed(#"[{"vtep": "239.0.0.12", "subnet": "10.9.2.0/24"}]"#, "239.0.0.12"),
    flat(#"[{"vtep": "172.30.0.12", "endpoints": 5}]"#, "endpoints"),
    flat(#"[{"vtep": "172.30.0.12", "endpoints": [{"mac": "02:00:00:00:00:01"}]}]"#, "ip"),
    flat(#"[{"vtep": "172.30.0.12", "endpoints": [{"ip": "10.77.1.300"}]}]"#, "10.77.1.300"),
    flat(#"[{"vtep": "172.30.0.12", "endpoints": [{"ip": "10.77.1.30", "mac": "nonsense"}]}]"#, "nonsense"),
    flat(#"[{"vtep": "172.30.0.12", "subnet": "10.9.2.0/24"}]"#, "subnet"),
  ]

  private static func plane(_ text: String, code: Int = 7, _ fragments: String...) -> BadInput {
    var bad = BadInput(.l2, #"{"controlPlane": \#(text)}"#, code: code)
    bad.fragments = fragments
    return bad
  }

  static let planes: [BadInput] = [
    .init(.l2, #"{"controlPlane": null}"#, "controlPlane"), plane("{}", "type"), plane(#"{"type": 5}"#, "type"),
    plane(#"{"type": "gossip"}"#, "type", "gossip", "static", "multicast", "evpn", "etcd"),
    plane(#"{"type": "consul"}"#, code: 2, "type", "consul"),
    plane(#"{"type": "zookeeper"}"#, code: 2, "type", "zookeeper"),
    plane(#"{"type": "static"}"#, "peers"), plane(#"{"type": "static", "peersFile": 5}"#, "peersFile"),
    plane(#"{"type": "static", "peersFile": "/nowhere/peers.json"}"#, "/nowhere/peers.json"),
    plane(#"{"type": "static", "peersFile": "peers.json"}"#, "peersFile", "peers.json"),
    plane(#"{"type": "static", "peersFile": "DIR/garbage"}"#, "/garbage"),
    plane(#"{"type": "static", "peersFile": "DIR/pears"}"#, "/pears"),
    .init(.multicast, #"{"controlPlane": {"type": "multicast"}}"#, "group"),
    .init(.multicast, #"{"controlPlane": {"type": "multicast", "group": "all"}}"#, "group", "all"),
    .init(.multicast, #"{"controlPlane": {"type": "multicast", "group": "10.0.0.1"}}"#, "group", "10.0.0.1"),
    plane(#"{"type": "etcd"}"#, "endpoints"),
    .init(.l3, #"{"mode": "l3", "controlPlane": {"type": "evpn"}}"#, "mode", "l3", "evpn"),
    .init(.multicast, #"{"learning": true, "controlPlane": {"type": "evpn"}}"#, "learning"),
    .init(.multicast, #"{"local": "172.30.0.77", "controlPlane": {"type": "evpn"}}"#, "local", "172.30.0.77"),
  ]
}
