import CNI
import LabSupport
import Testing

// Group: link-kinds, needs ipvlan

/// The last container stands for the network outside.
@Suite(.needsRoot)
struct AttachmentTests {
  @Test func `ADD announces the addresses, and both families work at once`() throws {
    try Lab.use(containers: 2) { lab in
      try lab.addMaster()
      let config = try lab.upper("ipvlan", ipam: #"{"routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]}"#)
      try lab.shell("ip link set lo up", in: lab.container(1))
      let before = try Snapshot(of: lab)
      var result = JSONValue.null
      var answered: [Bool] = []
      let received = try lab.capturedOutside {
        result = try lab.add(config, plugin: "ipvlan").result()
        answered = try ["fd77::1", "10.77.0.1"].map { try lab.pings($0, from: lab.container(1)) }
      }
      #expect(answered == [true, true])
      #expect(received.contains("- arp 10.77.0.2 10.77.0.2"))
      #expect(received.contains("- na fd77::2 ff02::1"))
      let master = try #require(try lab.link("m0", in: lab.host)), inside = lab.container(1)
      let wanted = """
        [{"name": "eth0", "mac": "\(master.text("address") ?? "")", "mtu": 1500, "sandbox": "\(lab.path(inside))"}]
        """
      #expect(try result.at("interfaces") == JSONValue(json: wanted))
      #expect(result.list("ips").map { $0.text("address") } == ["10.77.0.2/24", "fd77::2/64"])
      #expect(try lab.addresses(of: "eth0", in: inside) == ["10.77.0.2/24", "fd77::2/64"])
      #expect(try lab.route("default", .v4, in: inside)?.text("gateway") == "10.77.0.1")
      #expect(try lab.route("default", .v6, in: inside)?.text("gateway") == "fd77::1")
      #expect(try lab.link("eth0", in: inside)?.text("linkinfo.info_data.mode") == "l2")
      #expect(try lab.check(config, result, plugin: "ipvlan").isSuccess)
      #expect(try lab.add(config, plugin: "ipvlan").code == 104)
      #expect(try lab.check(config, result, plugin: "ipvlan").isSuccess)
      for _ in 1...2 { #expect(try lab.delete(config, plugin: "ipvlan").isSuccess) }
      try lab.expectUnchanged(since: before)
    }
  }

  @Test func `enabledad finds a duplicate address`() throws {
    try Lab.use(containers: 3) { lab in
      try lab.addMaster(["10.77.0.1/24", "fd77::1/64", "fd77::3/64"])
      let config = try lab.upper("ipvlan", #"{"enabledad": true}"#, subnets: ["fd77::/64"])
      let received = try lab.capturedOutside {
        try lab.add(config, plugin: "ipvlan").requireSuccess()
        #expect(try lab.answered(["1 > fd77::1"]) == ["1 > fd77::1"])
      }
      #expect(received.contains { $0.hasPrefix("- ns :: ") })
      #expect(received.contains("- na fd77::2 ff02::1"))
      let second = try lab.add(config, to: 2, plugin: "ipvlan")
      #expect(second.code == 100)
      #expect(second.complaint.contains("fd77::3"))
      #expect(try lab.linkNames(in: lab.container(2)) == [])
      #expect(try lab.leases() == ["fd77::2"])
    }
  }

  @Test func `the master and its addresses may come from prevResult`() throws {
    try Lab.use(containers: 2) { lab in
      try lab.addMaster()
      let previous = try JSONValue(
        json: """
          {"cniVersion": "1.1.0", "interfaces": [{"name": "m0"}], "routes": [{"dst": "0.0.0.0/0"}],
           "ips": [{"interface": 0, "address": "10.77.0.9/24", "gateway": "10.77.0.1"}]}
          """)
      let config = try lab.upper("ipvlan", subnets: []).without("master")
      let result = try lab.add(config.with("prevResult", previous), plugin: "ipvlan").result()
      #expect(result.list("interfaces").map { $0.text("name") } == ["eth0"])
      #expect(result.text("ips.0.address") == "10.77.0.9/24")
      #expect(try lab.answered(["1 > 10.77.0.1"]) == ["1 > 10.77.0.1"])
      #expect(try lab.check(config, result, plugin: "ipvlan").isSuccess)
      #expect(try lab.delete(config.with("prevResult", result), plugin: "ipvlan").isSuccess)
      #expect(try lab.linkNames(in: lab.container(1)) == [])
    }
  }

  @Test func `the master may be in the container, and mtu may be smaller than its MTU`() throws {
    try Lab.use(containers: 1) { lab in
      try lab.shell("ip link add net1 mtu 1400 type veth peer name net2 && ip link set net1 up", in: lab.container(1))
      let config = try lab.upper("ipvlan", #"{"master": "net1", "linkInContainer": true, "mtu": 1300, "mode": "l3"}"#)
      let result = try lab.add(config, plugin: "ipvlan").result()
      #expect(result.text("interfaces.0.mtu") == "1300")
      let link = try lab.link("eth0", in: lab.container(1))
      #expect(link?.text("mtu") == "1300" && link?.text("link") == "net1")
      #expect(link?.text("linkinfo.info_data.mode") == "l3")
      #expect(try lab.check(config, result, plugin: "ipvlan").isSuccess)
      #expect(try lab.delete(config, plugin: "ipvlan").isSuccess)
      #expect(try lab.linkNames(in: lab.container(1)) == ["net1", "net2"])
    }
  }
}
