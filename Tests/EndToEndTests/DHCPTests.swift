import BaseSupport
import CNI
import LabSupport
import Testing

/// `ipam.type: "dhcp"`: the reference's plugin and daemon, and a real DHCP server behind the bridge.
@Suite(.needsRoot)
struct DHCPTests {
  @Test(arguments: [
    "{}", #"{"isGateway": true, "ipMasq": true, "macspoofchk": true}"#,
    #"{"isGateway": true, "ipMasq": true, "backend": "iptables"}"#,
  ])
  func `a container has the address and gateway of the DHCP server`(keys: String) throws {
    try DHCPNetwork.use { network in
      let lab = network.lab, container = lab.container(1)
      let config = try network.config(keys)
      let result = try lab.add(config).result()
      let address = try #require(result.text("ips.0.address"))
      let mac = try #require(result.text("interfaces.2.mac"))
      let lease = [[mac, String(address.dropLast("/24".count))]]
      #expect(network.eventually(lease) { network.leases() } == lease)
      #expect(result.text("ips.0.gateway") == "10.88.0.254")
      #expect(result.text("ips.0.interface") == "2")
      #expect(try lab.link("eth0", in: container)?.text("address") == mac)
      #expect(try lab.addresses(of: "eth0", in: container) == [address])
      #expect(try lab.route("default", in: container)?.text("gateway") == "10.88.0.254")
      let gateway = try lab.addresses(of: "br0", in: lab.host)
      #expect(gateway == (keys == "{}" ? [] : ["10.88.0.254/24"]))
      #expect(try lab.pings("10.88.0.1", from: container))
      #expect(try keys == "{}" || lab.pings("10.88.0.254", from: container))
      let check = try lab.check(config, result)
      #expect(check.isSuccess, "\(check)")
    }
  }

  @Test func `two containers with DHCP have different addresses and reach each other`() throws {
    try DHCPNetwork.use(containers: 2) { network in
      let lab = network.lab
      let addresses = try [1, 2].map { number in
        let result = try lab.add(try network.config(), to: number).result()
        return String(try #require(result.text("ips.0.address")).dropLast("/24".count))
      }
      #expect(Set(addresses).count == 2)
      #expect(try lab.pings(addresses[0], from: lab.container(2)))
      #expect(try lab.connects(from: lab.container(1), to: addresses[1], in: lab.container(2)))
    }
  }

  @Test func `macvlan gets its address from the DHCP server and releases it`() throws {
    try DHCPNetwork.use { network in
      let lab = network.lab, container = lab.container(1)
      let config = try network.config(#"{"type": "macvlan", "master": "br0"}"#)
      let before = try Snapshot(of: lab)
      let result = try lab.add(config, plugin: "macvlan").result()
      let address = try #require(result.text("ips.0.address"))
      #expect(try lab.addresses(of: "eth0", in: container) == [address])
      #expect(try lab.route("default", in: container)?.text("gateway") == "10.88.0.254")
      #expect(try lab.pings("10.88.0.1", from: container))
      let check = try lab.check(config, result, plugin: "macvlan")
      #expect(check.isSuccess, "\(check)")
      try lab.delete(config, plugin: "macvlan").requireSuccess()
      let released = [String(address.dropLast("/24".count))]
      #expect(network.eventually(released) { network.released() } == released)
      try lab.shell("ip link set lo down; ip addr flush dev lo", in: container)
      try lab.expectUnchanged(since: before)
    }
  }

  @Test func `ten ADDs and DELs with DHCP succeed at once on an existing bridge`() throws {
    try DHCPNetwork.use(containers: 10) { network in
      let lab = network.lab, config = try network.config(#"{"isGateway": true}"#)
      let added = try atOnce(10, workers: 5) { try lab.add(config, to: $0 + 1).result() }.map { try $0.get() }
      #expect(Set(added.map { $0.text("ips.0.address") }).count == 10)
      #expect(network.eventually(10) { network.leases().count } == 10)
      #expect(try lab.addresses(of: "br0", in: lab.host) == ["10.88.0.254/24"])
      let gone = try atOnce(10, workers: 5) { try lab.delete(config, from: $0 + 1) }.map { try $0.get() }
      #expect(gone.filter { !$0.isSuccess }.map(\.description) == [])
      #expect(network.eventually(0) { network.leases().count } == 0)
    }
  }

  @Test(arguments: [false, true])
  func `DEL releases the DHCP address through the link and can be repeated`(hasHostPrefix: Bool) throws {
    // The daemon opens the container's namespace below this prefix.
    let options = hasHostPrefix ? "-hostprefix /proc/self/root" : ""
    try DHCPNetwork.use(options: options) { network in
      let lab = network.lab, config = try network.config()
      let before = try Snapshot(of: lab)
      let result = try lab.add(config).result()
      let address = String(try #require(result.text("ips.0.address")).dropLast("/24".count))
      try lab.delete(config).requireSuccess()
      #expect(network.eventually([address]) { network.released() } == [address])
      #expect(network.eventually(0) { network.leases().count } == 0)
      try lab.delete(config).requireSuccess()
      try lab.shell("ip link set lo down; ip addr flush dev lo", in: lab.container(1))
      try lab.expectUnchanged(since: before)
    }
  }

  @Test func `DEL with DHCP succeeds if the container's namespace is gone`() throws {
    try DHCPNetwork.use { network in
      let lab = network.lab, config = try network.config()
      try lab.add(config).requireSuccess()
      try lab.shell("ip netns del \(lab.container(1))")
      let outcome = try lab.delete(config)
      #expect(outcome.isSuccess, "\(outcome)")
      #expect(try lab.linkNames(in: lab.host) == ["br0", "up0"])
    }
  }

  @Test func `ADD fails with dhcp's error and leaves nothing if the server does not answer`() throws {
    try DHCPNetwork.use([.daemon]) { network in
      let before = try Snapshot(of: network.lab)
      let outcome = try network.lab.add(try network.config(#"{"isGateway": true, "macspoofchk": true}"#))
      #expect(outcome.code == 999)
      #expect(outcome.complaint.contains("no more tries"))
      try network.lab.expectUnchanged(since: before)
    }
  }

  @Test func `other containers are attached while a DHCP server does not answer`() throws {
    try DHCPNetwork.use(containers: 2, [.daemon]) { network in
      let lab = network.lab, silent = try network.config()
      // The bridge of this network is new, so its ADD needs the host lock exclusively.
      let other = try lab.bridge(#"{"name": "other", "bridge": "br1"}"#, subnets: [])
      let added = atOnce(2, workers: 2) { number in
        if number == 0 { return (isAdded: try lab.add(silent).isSuccess, links: [String]()) }
        try lab.shell("until grep -q 'retrying in' \(lab.directory)/daemon.log; do sleep 0.02; done")
        let isAdded = try lab.add(other, to: 2).isSuccess
        return (isAdded: isAdded, links: try lab.linkNames(in: lab.host))
      }
      let outcomes = try added.map { try $0.get() }
      #expect(outcomes.map(\.isAdded) == [false, true])
      // The second ADD finished before the first gave up.
      #expect(outcomes[1].links.contains("br0"))
      #expect(try lab.linkNames(in: lab.host).contains("br0") == false)
    }
  }

  @Test func `ADD without a DHCP daemon fails and leaves nothing`() throws {
    try DHCPNetwork.use([]) { network in
      let before = try Snapshot(of: network.lab)
      let outcome = try network.lab.add(try network.config(#"{"isGateway": true}"#))
      #expect(outcome.code == 999)
      #expect(outcome.complaint.contains("error dialing DHCP daemon"))
      try network.lab.expectUnchanged(since: before)
    }
  }

  @Test func `DEL removes everything and reports the error if the DHCP daemon is dead`() throws {
    try DHCPNetwork.use { network in
      let lab = network.lab, config = try network.config(#"{"isGateway": true}"#)
      try lab.add(config).requireSuccess()
      network.end()
      for _ in 1...2 {
        let outcome = try lab.delete(config)
        #expect(outcome.code == 999)
        #expect(outcome.complaint.contains("error dialing DHCP daemon"))
        #expect(try lab.linkNames(in: lab.host) == ["br0", "up0"])
        #expect(try lab.linkNames(in: lab.container(1)) == [])
      }
    }
  }
}
