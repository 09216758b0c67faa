import CNI
import CNIRuntime
import NetTypes
import Testing

private let id = String(repeating: "0123456789abcdef", count: 4)

private func request(_ change: (inout NetworkRequest) throws -> Void) throws -> NetworkRequest {
  var request = NetworkRequest(name: try valid("blue"))
  try change(&request)
  return request
}

@Suite struct RequestTests {
  @Test func `a network without options gets its own bridge and an unused subnet`() throws {
    #expect(
      try request { _ in }.list(id: id)
        == json(
          #"""
          {"cniVersion":"1.0.0","name":"blue","plugins":[{"type":"bridge","bridge":"br-0123456789ab","isGateway":true,
           "ipMasq":true,"isolation":"network","capabilities":{"ips":true,"mac":true},
           "ipam":{"type":"ipam-host-local","ranges":[[{"subnet":"auto"}]],"routes":[{"dst":"0.0.0.0/0"}]}},
           {"type":"portmap","capabilities":{"portMappings":true}},{"type":"firewall"}]}
          """#))
  }

  @Test func `gateways and ranges belong to their subnets, and each family gets a default route`() throws {
    let made = try request {
      $0.subnets = [try valid("10.1.0.7/16"), try valid("fd00:1::/64")]
      $0.gateways = [try valid("fd00:1::9"), try valid("10.1.0.9")]
      $0.ranges = [try valid("10.1.255.0/24")]
      $0.mtu = 1400
      $0.options = ["hairpinMode": .bool(true)]
    }.list(id: id)
    let plugin = try #require(made["plugins"]?.array?.first)
    #expect(plugin["mtu"] == .integer(1400))
    #expect(plugin["hairpinMode"] == .bool(true))
    #expect(
      plugin["ipam"]
        == (try json(
          #"""
          {"type":"ipam-host-local","routes":[{"dst":"0.0.0.0/0"},{"dst":"::/0"}],"ranges":[
           [{"subnet":"10.1.0.0/16","gateway":"10.1.0.9","rangeStart":"10.1.255.0","rangeEnd":"10.1.255.254"}],
           [{"subnet":"fd00:1::/64","gateway":"fd00:1::9"}]]}
          """#)))
  }

  @Test func `an internal network has no gateway and no default route`() throws {
    let plugin = try #require(try request { $0.isInternal = true }.list(id: id)["plugins"]?.array?.first)
    #expect(plugin["internal"] == .bool(true))
    #expect(plugin["isGateway"] == nil)
    #expect(plugin["ipam"] == (try json(#"{"type":"ipam-host-local","ranges":[[{"subnet":"auto"}]]}"#)))
  }

  @Test(arguments: [
    ([], true, ["auto", "auto-ipv6"]), (["10.1.0.0/16"], true, ["10.1.0.0/16", "auto-ipv6"]),
    (["fd00:1::/64"], false, ["fd00:1::/64"]), (["fd00:1::/64"], true, ["fd00:1::/64"]),
  ])
  func `IPv6 adds an IPv6 subnet if none is given`(subnets: [String], ipv6: Bool, chosen: [String]) throws {
    let made = try request {
      $0.subnets = try subnets.map { try valid($0) }
      $0.ipv6 = ipv6
    }.list(id: id)
    let sets = made["plugins"]?.array?.first?["ipam"]?["ranges"]?.array ?? []
    #expect(sets.compactMap { $0.array?.first?["subnet"]?.string } == chosen)
  }

  @Test func `options that contradict each other are refused`() throws {
    let cases: [(String, (inout NetworkRequest) throws -> Void)] = [
      (
        "gateway 10.2.0.1",
        {
          $0.subnets = [try valid("10.1.0.0/16")]; $0.gateways = [try valid("10.2.0.1")]
        }
      ),
      (
        "ip range 10.0.0.0/8",
        {
          $0.subnets = [try valid("10.1.0.0/16")]; $0.ranges = [try valid("10.0.0.0/8")]
        }
      ),
      (
        "want at most one",
        {
          $0.subnets = [try valid("10.1.0.0/16")]; $0.ranges = [try valid("10.1.1.0/24"), try valid("10.1.2.0/24")]
        }
      ),
      ("mtu 67: want 68 to 65535", { $0.mtu = 67 }),
      (
        "mtu 1279: want 1280 to 65535",
        {
          $0.mtu = 1279; $0.ipv6 = true
        }
      ),
      (#"unknown key "haripinMode": did you mean "hairpinMode"?"#, { $0.options = ["haripinMode": .bool(true)] }),
      (#"key "mtu": "x": want a whole number"#, { $0.options = ["mtu": .string("x")] }),
      ("option ipam: cannot be an option", { $0.options = ["ipam": .object([:])] }),
    ]
    for (complaint, change) in cases {
      let errorText = try refusal { _ = try request(change).list(id: id) }
      #expect(errorText.contains(complaint), "\(errorText)")
    }
  }

  @Test func `requests are passed by capability if declared, else in CNI_ARGS`() throws {
    var request = AttachmentRequest()
    request.addresses = [try valid("10.0.0.5"), try valid("fd00::5/64")]
    request.mac = try valid("02:00:00:00:00:05")
    request.name = "web"
    request.arguments = [NetworkAttachment.Argument("A", "b")]
    let plain = try request.attachment(try owner(), namespacePath: "/x", on: try list(#"{"name":"blue","type":"a"}"#))
    #expect(plain.capabilityArguments == [:])
    #expect(
      plain.arguments == [
        .init("IgnoreUnknown", "1"), .init("K8S_POD_NAME", "web"), .init("IP", "10.0.0.5,fd00::5/64"),
        .init("MAC", "02:00:00:00:00:05"), .init("A", "b"),
      ])
    request.ports = [PortMapping(hostPort: 8080, containerPort: 80)]
    request.aliases = ["db"]
    let able = try list(
      #"{"name":"blue","type":"a","capabilities":{"ips":true,"mac":true,"portMappings":true,"aliases":true}}"#)
    let made = try request.attachment(try owner(), namespacePath: "/x", on: able)
    #expect(made.arguments == [.init("IgnoreUnknown", "1"), .init("K8S_POD_NAME", "web"), .init("A", "b")])
    #expect(
      JSONValue.object(made.capabilityArguments)
        == (try json(
          #"""
          {"ips":["10.0.0.5","fd00::5/64"],"mac":"02:00:00:00:00:05","aliases":{"blue":["db"]},
           "portMappings":[{"hostPort":8080,"containerPort":80,"protocol":"tcp"}]}
          """#)))
  }

  @Test(arguments: [(nil, nil), (0, "0"), (-7, "-7"), (99, "99")] as [(Int?, String?)])
  func `the priority of the default route is passed in GW_PRIORITY`(priority: Int?, sent: String?) throws {
    var request = AttachmentRequest()
    request.gwPriority = priority
    let made = try request.attachment(try owner(), namespacePath: "/x", on: try list(#"{"name":"blue","type":"a"}"#))
    #expect(made.arguments.filter { $0.key == "GW_PRIORITY" }.map(\.value) == [sent].compactMap(\.self))
  }

  @Test func `a request that no plugin supports is refused`() throws {
    let plain = try list(#"{"name":"blue","type":"a"}"#)
    var ports = AttachmentRequest(), names = AttachmentRequest()
    ports.ports = [PortMapping(hostPort: 1, containerPort: 1)]
    names.aliases = ["db"]
    for (request, capability) in [(ports, "portMappings"), (names, "aliases")] {
      let errorText = try refusal { _ = try request.attachment(try owner(), namespacePath: "/x", on: plain) }
      #expect(
        errorText.contains(#"none of its plugins declares "capabilities": {"\#(capability)": true}"#), "\(errorText)")
    }
  }
}
