import CNI
import LabSupport
import Testing

/// The last container stands for the network outside, which has the gateways' addresses on its VLANs.
@Suite(.needsRoot)
struct TrafficTests {
  /// A network for each VLAN, all with the same addresses: only the tag separates them.
  private func networks(_ ids: [Int], in lab: Lab, _ keys: String = "{}") throws -> [JSONValue] {
    try lab.addMaster([])
    for id in ids {
      try lab.shell(
        """
        ip link add v\(id) link eth0 type vlan id \(id) && ip link set v\(id) up
        ip address add 10.\(id).0.1/24 dev v\(id) && ip address add fd\(id)::1/64 dev v\(id) nodad
        """, in: lab.outside)
    }
    return try ids.map { id in
      try lab.upper(
        "vlan", #"{"name": "net\#(id)", "vlanId": \#(id)}"#, subnets: ["10.\(id).0.0/24", "fd\(id)::/64"]
      ).merging(try JSONValue(json: keys))
    }
  }

  @Test func `frames have the VLAN tag, and both address families work right after ADD`() throws {
    try Lab.use(containers: 2) { lab in
      let network = try networks([10], in: lab)[0]
      try lab.shell("ip link set lo up", in: lab.container(1))
      let before = try Snapshot(of: lab)
      var result = JSONValue.null
      let heard = try lab.capturedOutside {
        result = try lab.add(network, plugin: "vlan").result()
        for address in ["fd10::1", "10.10.0.1"] { #expect(try lab.pings(address, from: lab.container(1))) }
      }
      for line in ["arp 10.10.0.2 10.10.0.2", "na fd10::2 ff02::1", "icmp 10.10.0.2 10.10.0.1", "icmp fd10::2 fd10::1"]
      {
        #expect(heard.contains("10 \(line)"))
        #expect(!heard.contains("- \(line)"))
      }
      let link = try lab.link("eth0", in: lab.container(1))
      #expect(link?.text("linkinfo.info_data.id") == "10")
      #expect(try link?.text("address") == lab.link("m0", in: lab.host)?.text("address"))
      #expect(result.text("interfaces.0.mac") == link?.text("address"))
      #expect(try lab.check(network, result, plugin: "vlan").isSuccess)
      #expect(try lab.add(network, plugin: "vlan").code == 104)
      for _ in 1...2 { #expect(try lab.delete(network, plugin: "vlan").isSuccess) }
      try lab.expectUnchanged(since: before)
    }
  }

  @Test func `containers on different VLANs do not reach each other, only the outside on their VLAN`() throws {
    try Lab.use(containers: 3) { lab in
      let networks = try networks([10, 20], in: lab)
      // The second container has the gateway's address of the first one's network, too.
      let twin = try networks[1].merging(lab.upper("vlan", subnets: ["10.10.0.0/24", "fd10::/64"]).only("ipam"))
      try lab.add(networks[0], plugin: "vlan").requireSuccess()
      try lab.add(twin, to: 2, plugin: "vlan").requireSuccess()
      let own = try lab.addresses(of: "eth0", in: lab.container(2)).map { String($0.prefix { $0 != "/" }) }
      #expect(own == ["10.10.0.2", "fd10::2"])
      try lab.shell("ip address add 10.10.0.9/24 dev eth0", in: lab.container(2))
      #expect(
        try lab.answered(["1 > 10.10.0.1", "1 > fd10::1", "1 > 10.10.0.9", "2 > 10.10.0.1"])
          == ["1 > 10.10.0.1", "1 > fd10::1"])
    }
  }

  @Test func `a second link of the same VLAN on a master is refused with an explanation`() throws {
    try Lab.use(containers: 3) { lab in
      let networks = try networks([10, 20], in: lab)
      try lab.add(networks[0], plugin: "vlan").requireSuccess()
      let before = try Snapshot(of: lab)
      let second = try lab.add(networks[0], to: 2, plugin: "vlan")
      #expect(second.code == 100 && second.complaint.contains("m0 has VLAN 10 already"))
      let status = try lab.ask("STATUS", networks[0], plugin: "vlan")
      #expect(status.code == 50 && status.complaint.contains("m0 has VLAN 10 already"))
      try lab.expectUnchanged(since: before)
      #expect(try lab.ask("STATUS", networks[1], plugin: "vlan").isSuccess)
      try lab.expectUnchanged(since: before)
      try lab.add(networks[1], to: 2, plugin: "vlan").requireSuccess()
      #expect(
        try lab.answered(["1 > 10.10.0.1", "2 > 10.20.0.1", "2 > fd20::1"])
          == ["1 > 10.10.0.1", "2 > 10.20.0.1", "2 > fd20::1"])
    }
  }

  @Test func `MAC address, MTU and enabledad can be configured`() throws {
    try Lab.use(containers: 2) { lab in
      let keys = #"{"mtu": 1400, "enabledad": true, "runtimeConfig": {"mac": "02:00:00:00:00:07"}}"#
      let network = try networks([10], in: lab, keys)[0]
      let result = try lab.add(network, plugin: "vlan").result()
      #expect(result.text("interfaces.0.mac") == "02:00:00:00:00:07")
      let link = try lab.link("eth0", in: lab.container(1))
      #expect(link?.text("address") == "02:00:00:00:00:07" && link?.text("mtu") == "1400")
      #expect(try lab.answered(["1 > 10.10.0.1", "1 > fd10::1"]) == ["1 > 10.10.0.1", "1 > fd10::1"])
      #expect(try lab.check(network, result, plugin: "vlan").isSuccess)
      try lab.shell("ip link set eth0 mtu 1300", in: lab.container(1))
      #expect(try lab.check(network, result, plugin: "vlan").complaint.contains("has MTU 1300, want 1400"))
    }
  }

  @Test func `the master may be in the container`() throws {
    try Lab.use(containers: 1) { lab in
      try lab.shell("ip link add net1 type veth peer name net2 && ip link set net1 up", in: lab.container(1))
      let network = try lab.upper("vlan", #"{"master": "net1", "linkInContainer": true, "vlanId": 7}"#)
      let result = try lab.add(network, plugin: "vlan").result()
      let link = try lab.link("eth0", in: lab.container(1))
      #expect(link?.text("link") == "net1" && link?.text("linkinfo.info_data.id") == "7")
      #expect(try lab.check(network, result, plugin: "vlan").isSuccess)
      #expect(try lab.delete(network, plugin: "vlan").isSuccess)
      #expect(try lab.linkNames(in: lab.container(1)) == ["net1", "net2"])
    }
  }
}

extension JSONValue {
  fileprivate func only(_ key: String) -> JSONValue { .object((object ?? [:]).filter { $0.key == key }) }
}
