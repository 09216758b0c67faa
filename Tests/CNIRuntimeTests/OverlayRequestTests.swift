import CNI
import CNIRuntime
import NetTypes
import Testing

@Suite struct OverlayRequestTests {
  /// The first plugin of the list that `cnictl network create -d overlay` writes.
  private func plugin(
    _ options: [String: JSONValue], subnets: [String] = [], ranges: [String] = [],
    _ change: (inout NetworkRequest) throws -> Void = { _ in }
  ) throws -> JSONValue {
    var request = NetworkRequest(name: try valid("multi-host-network"))
    request.driver = .overlay
    request.options = options
    request.subnets = try subnets.map { try valid($0) }
    request.ranges = try ranges.map { try valid($0) }
    try change(&request)
    return try #require(try request.list(id: "").member("plugins")?.value.array?.first)
  }

  @Test func `a routed network needs only a cluster store`() throws {
    #expect(
      try plugin(["cluster-store": "etcd://10.0.0.1:2379"])
        == json(
          #"""
          {"type": "overlay-vxlan", "capabilities": {"ips": true, "mac": true}, "ipMasq": true,
           "controlPlane": {"type": "etcd", "endpoints": ["http://10.0.0.1:2379"]}, "ipam": {"type": "ipam-host-local"}}
          """#))
  }

  @Test func `with one subnet for all hosts, addresses also come from etcd`() throws {
    let made = try plugin(
      ["cluster-store": "etcd://a,[fd00::1]:2380/blue/net", "caFile": "/ca", "mode": "l2", "vni": .integer(7)],
      subnets: ["10.0.9.0/24"]
    ) { $0.gateways = [try valid("10.0.9.254")] }
    #expect(
      made["controlPlane"]
        == (try json(
          #"{"type":"etcd","endpoints":["https://a:2379","https://[fd00::1]:2380"],"caFile":"/ca","prefix":"/blue/net"}"#
        )))
    #expect(
      made["ipam"]
        == (try json(#"{"type":"ipam-etcd","ranges":[[{"subnet":"10.0.9.0/24","gateway":"10.0.9.254"}]]}"#)))
    #expect(made["network"] == (try json(#"["10.0.9.0/24"]"#)))
    #expect(made["vni"] == .integer(7))
  }

  @Test func `peers come from a list with subnets, a file, or both`() throws {
    let made = try plugin(
      [
        "peers": "192.0.2.1=10.1.1.0/24,192.0.2.2=10.1.2.0/24", "peersFile": "/p", "vni": .integer(7), "parent": "eth0",
      ],
      subnets: ["10.1.0.0/16"], ranges: ["10.1.1.0/24"])
    #expect(
      made["controlPlane"]
        == (try json(
          #"""
          {"type":"static","peersFile":"/p","peers":[{"vtep":"192.0.2.1","subnet":"10.1.1.0/24"},
           {"vtep":"192.0.2.2","subnet":"10.1.2.0/24"}]}
          """#)))
    #expect(made["ipam"] == (try json(#"{"type":"ipam-host-local","ranges":[[{"subnet":"10.1.1.0/24"}]]}"#)))
    #expect(made["network"] == (try json(#"["10.1.0.0/16"]"#)))
    #expect(made["dev"] == "eth0")
  }

  @Test(
    arguments: [
      (["group": "239.1.1.1", "parent": "eth0"], #"{"type":"multicast","group":"239.1.1.1"}"#),
      (["controlPlane": "evpn"], #"{"type":"evpn"}"#),
      (["controlPlane": .object(["type": "static", "peers": .array([])])], #"{"type":"static","peers":[]}"#),
    ] as [([String: JSONValue], String)])
  func `in mode l2 each host leases addresses from its own range`(options: [String: JSONValue], plane: String) throws {
    let made = try plugin(
      options.merging(["vni": .integer(7), "mode": "l2"]) { own, _ in own }, subnets: ["10.1.0.0/16"],
      ranges: ["10.1.1.0/24"]
    ) { $0.isInternal = true }
    #expect(made["controlPlane"] == (try json(plane)))
    #expect(made["isGateway"] == .bool(false))
    #expect(made["ipMasq"] == nil)
    #expect(made["network"] == nil)
    #expect(
      made["ipam"]
        == (try json(
          #"""
          {"type":"ipam-host-local","ranges":[[{"subnet":"10.1.0.0/16","rangeStart":"10.1.1.0","rangeEnd":"10.1.1.255"}]]}
          """#)))
  }

  private static let etcd: [String: JSONValue] = ["cluster-store": "etcd://a"]
  private static let evpn: [String: JSONValue] = ["controlPlane": "evpn", "vni": .integer(7)]

  @Test(
    arguments: [
      ([:], [], "no control plane is given"),
      (["peers": "192.0.2.1", "group": "239.1.1.1", "vni": .integer(7)], ["10.1.0.0/16"], "more than one is given"),
      (["peers": "192.0.2.1"], ["10.1.0.0/16"], "option vni is missing: want 1 to 16777215"),
      (["peers": "192.0.2.1", "vni": .integer(7)], [], "subnet: missing: want the whole network's"),
      (["peers": "here", "vni": .integer(7)], ["10.1.0.0/16"], "controlPlane.peers[0].vtep"),
      (["group": "239.1.1.1", "vni": .integer(7)], ["10.1.0.0/16"], "option parent is missing"),
      (evpn, ["10.1.0.0/16"], "ip range: missing: want this host's part of"),
      (["cluster-store": "consul://localhost:8500"], [], "\"consul://localhost:8500\": only etcd is supported"),
      (["cluster-store": "zk://localhost:2181"], [], "want etcd://HOST:PORT"),
      (["cluster-store": "localhost:2379"], [], "want etcd://HOST:PORT"),
      (["cluster-store": "etcd:///prefix"], [], "no host"),
      (["cluster-store": "etcd://a", "vnii": .integer(7)], [], "did you mean \"vni\"?"),
    ] as [([String: JSONValue], [String], String)])
  func `a missing or wrong option is refused and named`(
    options: [String: JSONValue], subnets: [String], fragment: String
  ) throws {
    let error = #expect(throws: CNIError.self) { try plugin(options, subnets: subnets) }
    #expect(error?.message.contains(fragment) == true, "\(error?.message ?? "")")
  }

  @Test func `a cluster store other than etcd is refused with code 2`() throws {
    let error = #expect(throws: CNIError.self) { try plugin(["cluster-store": "zookeeper://a"]) }
    #expect(error?.code == .unsupportedField)
  }

  @Test func `options that a routed network does not support are refused`() throws {
    let errorText = { (change: @escaping (inout NetworkRequest) throws -> Void) throws -> String in
      #expect(throws: CNIError.self) { try plugin(Self.etcd, subnets: ["10.1.0.0/16"], change) }?.message ?? ""
    }
    #expect(try errorText { $0.ipv6 = true }.contains("ipv6: the IPv6 subnet must be the same on every host"))
    #expect(try errorText { $0.isInternal = true }.contains("internal: in mode l3"))
    #expect(
      try errorText { $0.gateways = [try valid("10.1.0.1")] }.contains("gateway: in mode l3 each host has its own"))
    #expect(try errorText { $0.ranges = [try valid("10.2.0.0/24")] }.contains("ip range 10.2.0.0/24: want a part of"))
  }

  @Test func `an overlay network publishes ports as a bridge does, and its driver is shown as overlay`() throws {
    var request = NetworkRequest(name: try valid("blue"))
    request.driver = .overlay
    request.options = Self.etcd
    let list = try NetworkList(Array(request.list(id: "").text.utf8))
    #expect(list.plugins.map(\.type.description) == ["overlay-vxlan", "portmap", "firewall"])
    #expect(list.driver == "overlay")
  }
}
