import CNI
import Etcd
import EtcdSupport
import NetTypes
import Testing
@testable import Overlay

@Suite struct `Flannel configuration` {
  private func network(_ text: String) throws -> FlannelNetwork {
    try FlannelNetwork(CNIJSON.decodeValue(Array(text.utf8)), at: configKey)
  }

  @Test(arguments: [
    (#"{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}"#, "10.5.0.0/16 24 10.5.1.0 10.5.255.0"),
    (
      #"{"Network":"10.3.0.0/16","SubnetMin":"10.3.1.0","SubnetMax":"10.3.25.0","Backend":{"Type":"vxlan"}}"#,
      "10.3.0.0/16 24 10.3.1.0 10.3.25.0"
    ),
    (#"{"Network":"10.5.4.0/24","Backend":{"Type":"vxlan"}}"#, "10.5.4.0/24 26 10.5.4.64 10.5.4.192"),
    (
      #"{"Network":"10.5.0.0/16","SubnetLen":30,"Backend":{"Type":"vxlan"}}"#, "10.5.0.0/16 30 10.5.0.4 10.5.255.252"
    ),
    (
      #"{"EnableIPv4":false,"EnableIPv6":true,"IPv6Network":"fd00:5::/48","Backend":{"Type":"vxlan"}}"#,
      "fd00:5::/48 64 fd00:5:0:1:: fd00:5:0:ffff::"
    ),
    (
      #"""
      {"EnableIPv6":true,"Network":"10.5.0.0/16","IPv6Network":"fd00::/32","IPv6SubnetLen":48,"Later":1,
      "Backend":{"Type":"vxlan"}}
      """#,
      "10.5.0.0/16 24 10.5.1.0 10.5.255.0, fd00::/32 48 fd00:0:1:: fd00:0:ffff::"
    ),
  ])
  func `the configuration gives prefix, subnet length, first and last subnet`(text: String, wanted: String) throws {
    let pools = try network(text).pools().map { "\($0.prefix) \($0.length) \($0.first) \($0.last)" }
    #expect(pools.joined(separator: ", ") == wanted)
  }

  @Test(arguments: [
    (#"{"Backend":{"Type":"vxlan"}}"#, "config.Network"),
    (#"{"Network":"fd00::/48","Backend":{"Type":"vxlan"}}"#, "want an IPv4 prefix"),
    (#"{"EnableIPv4":false,"Backend":{"Type":"vxlan"}}"#, "want true, or"),
    (#"{"Network":"10.5.0.0/16"}"#, "config.Backend"),
    (#"{"Network":"10.5.0.0/16","Backend":{"Type":"udp"}}"#, "want vxlan"),
    (#"{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","GBP":true}}"#, "Backend.GBP"),
    (#"{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","VNI":16777216}}"#, "Backend.VNI"),
    (#"{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","Port":65536}}"#, "Backend.Port"),
    (#"{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","Mode":"l4"}}"#, "want l2 or l3"),
    (#"{"Network":"10.5.0.0/16","SubnetLen":17,"Backend":{"Type":"vxlan"}}"#, "SubnetLen 17"),
    (#"{"Network":"10.5.0.0/16","SubnetLen":31,"Backend":{"Type":"vxlan"}}"#, "SubnetLen 31"),
    (#"{"Network":"10.5.0.0/29","Backend":{"Type":"vxlan"}}"#, "four subnets"),
    (#"{"Network":"10.5.0.0/16","SubnetMin":"10.6.0.0","Backend":{"Type":"vxlan"}}"#, "SubnetMin"),
    (#"{"Network":"10.5.0.0/16","SubnetMax":"10.5.0.9","Backend":{"Type":"vxlan"}}"#, "SubnetMax"),
    (
      #"{"Network":"10.5.0.0/16","SubnetMin":"10.5.9.0","SubnetMax":"10.5.8.0","Backend":{"Type":"vxlan"}}"#,
      "at most 10.5.8.0"
    ),
  ])
  func `an invalid configuration is refused with the key`(text: String, wanted: String) {
    let error = #expect(throws: CNIError.self) { try network(text).pools() }
    #expect(error?.code == .invalidNetworkConfig)
    #expect(error?.message.contains(wanted) == true, "\(error?.message ?? "")")
  }

  @Test(arguments: [
    ("10.5.52.0-24", ["10.5.52.0/24"]), ("10.5.52.0-24&fd00:5:52::-64", ["10.5.52.0/24", "fd00:5:52::/64"]),
    ("0.0.0.0-0&fd00:5:52::-64", ["fd00:5:52::/64"]),
  ])
  func `subnet keys are parsed and written in flannel's format`(name: String, subnets: [String]) {
    let subnets = subnets.compactMap { IPPrefix($0) }
    #expect(FlannelSubnet.prefixes(name[...]) == subnets)
    #expect(FlannelSubnet.name(subnets) == name)
  }

  @Test(arguments: ["", "10.5.52.0", "10.5.52.0-33", "10.5.52.0-24&", "10.5.52-24", "0.0.0.0-0", "lock", "a-b"])
  func `an invalid subnet key is not parsed`(name: String) { #expect(FlannelSubnet.prefixes(name[...]) == nil) }

  @Test func `entries of flanneld are used, unusable entries are left out with a warning`() throws {
    try World.use { world in
      try world.store.put(configKey, flannelConfig)
      let data = #""BackendData":{"VNI":7,"VtepMAC":"02:00:00:00:00:01"}"#
      let entries = [
        "10.5.10.0-24": #"{"PublicIP":"192.0.2.10","PublicIPv6":null,"BackendType":"vxlan",\#(data)}"#,
        "10.5.11.0-24": #"{"PublicIP":"192.0.2.11","BackendType":"host-gw"}"#,
        "10.5.12.0-24": #"{"PublicIP":"192.0.2.12","BackendType":"vxlan"}"#,
        "10.5.13.0-24": #"{"PublicIP":"0.0.0.0","PublicIPv6":"2001:db8::1","BackendType":"vxlan","BackendV6Data":{}}"#,
        "10.5.14.0-24": "text", "other": "{}",
        "10.5.15.0-24&fd00:15::-64":
          #"{"PublicIP":"192.0.2.15","PublicIPv6":"2001:db8::15","BackendType":"vxlan",\#(data),"BackendV6Data":{}}"#,
      ]
      for (name, text) in entries { try world.store.put("\(prefix)/subnets/\(name)", text) }
      let found = try world.control("a").consult(world.plane, of: net, as: one, for: .add)
      #expect(found.peers.map(\.vtep.description) == ["192.0.2.10", "192.0.2.15"])
      #expect(found.peers.flatMap(\.subnets) == prefixes("10.5.10.0/24", "10.5.15.0/24"))
      #expect(
        Set(world.warnings).sorted() == [
          "etcd \(prefix)/subnets/10.5.11.0-24 is ignored: its BackendType is host-gw",
          "etcd \(prefix)/subnets/10.5.12.0-24 is ignored: it has no VtepMAC",
          "etcd \(prefix)/subnets/10.5.13.0-24 is ignored: it has no IPv4 address",
          "etcd \(prefix)/subnets/10.5.14.0-24 is ignored: it is not a host's subnet in flannel's format",
          "etcd \(prefix)/subnets/10.5.15.0-24&fd00:15::-64: fd00:15::/64 is ignored: flanneld has another device for "
            + "it, want it IPv4 only",
          "etcd \(prefix)/subnets/other is ignored: it is not a host's subnet in flannel's format",
        ])
    }
  }

  @Test(arguments: [
    (OverlayHost(.l3, local: one.local, vni: 8), "key \"vni\": 8: etcd has 7"),
    (OverlayHost(.l3, local: one.local, port: 8472), "key \"dstport\": 8472: etcd has 4789"),
    (OverlayHost(.l3, local: one.local, network: prefixes("10.6.0.0/16")), "10.6.0.0/16: etcd has 10.5.0.0/16"),
    (OverlayHost(.l2, local: one.local), "key \"mode\": l2: etcd has l3"),
  ])
  func `a configuration that differs from etcd is refused with both values`(host: OverlayHost, wanted: String) throws {
    try World.use { world in
      let config = flannelConfig.replacing("}}", with: #","Mode":"l3"}}"#)
      try world.store.put(configKey, config)
      let error = #expect(throws: CNIError.self) {
        try world.control("a").consult(world.plane, of: net, as: host, for: .add)
      }
      #expect(error?.code == .invalidNetworkConfig)
      #expect(error?.message.contains(wanted) == true, "\(error?.message ?? "")")
      #expect(world.store.texts == [configKey: config])
    }
  }

  @Test func `the first host writes the configuration of a dual-stack network`() throws {
    try World.use { world in
      let host = OverlayHost(
        .l3, local: parsed("2001:db8::1"), vni: 9, port: 4789, network: prefixes("10.5.0.0/16", "fd00:5::/48"))
      let found = try world.control("a").consult(world.plane, of: net, as: host, for: .add)
      #expect(found.ownSubnets == prefixes("10.5.1.0/24", "fd00:5:0:1::/64"))
      #expect(
        world.store.texts[configKey]
          == #"{"Backend":{"Mode":"l3","Port":4789,"Type":"vxlan","VNI":9},"EnableIPv6":true,"#
          + #""IPv6Network":"fd00:5::/48","Network":"10.5.0.0/16"}"#)
      let mac = MACAddress(forTunnelOf: 9, from: host.local)
      #expect(
        world.store.texts["\(prefix)/subnets/10.5.1.0-24&fd00:5:0:1::-64"]
          == #"{"BackendType":"vxlan","BackendV6Data":{"VNI":9,"VtepMAC":"\#(mac)"},"PublicIP":"0.0.0.0","#
          + #""PublicIPv6":"2001:db8::1"}"#)
      #expect(world.store.requests.count == 3)
    }
  }
}
