import CNI
import LabSupport
import Testing

// Group: end-to-end

/// Names of services, as containers look them up.
@Suite(.needsRoot) struct ServiceNamesTests {
  private let subnets = ["10.88.0.0/24", "fd88::/64"]

  /// The chain of a container: with `service` if that is not `nil`.
  private func plugins(_ names: NamesLab, _ number: Int, _ service: String?) throws -> [(type: String, JSONValue)] {
    let bridge = try names.lab.bridge(#"{"isGateway": true, "bridge": "br-net"}"#, subnets: subnets)
      .with("name", .string("net"))
    let middle = try service.map { keys in
      let common = #"{"cniVersion": "1.1.0", "name": "net", "type": "service", "vip": ["10.88.0.250", "fd88::fa"]}"#
      return ("service", try JSONValue(json: common).merging(try JSONValue(json: keys)))
    }
    return [("bridge", bridge)] + (middle.map { [$0] } ?? []) + [
      ("dns-hosts", try names.names("net", container: number))
    ]
  }

  @discardableResult
  private func connect(_ names: NamesLab, _ number: Int, _ service: String? = nil) throws -> JSONValue {
    var result: JSONValue?
    for (type, config) in try plugins(names, number, service) {
      let config = result.map { config.with("prevResult", $0) } ?? config
      result = try names.lab.add(config, to: number, plugin: type).result()
    }
    return result ?? .null
  }

  private func disconnect(_ names: NamesLab, _ number: Int, _ service: String? = nil) throws {
    for (type, config) in try plugins(names, number, service).reversed() {
      try names.lab.delete(config, from: number, plugin: type).requireSuccess()
    }
  }

  private func lines(_ names: NamesLab, _ service: String, in number: Int) throws -> [String] {
    try names.hosts(number).filter { $0.hasSuffix("\t\(service)") }
  }

  @Test func `the name of a service leads to its virtual addresses until the last back-end has left`() throws {
    try NamesLab.use(containers: 4) { names in
      let web = #"{"service": "web", "ports": [{"port": 80}]}"#, db = #"{"service": "db", "ports": [{"port": 81}]}"#
      try connect(names, 1)
      let result = try connect(names, 2, web)
      try connect(names, 3, web)
      try connect(names, 4, db)
      let config = try names.names("net", container: 2).with("prevResult", result)
      try names.lab.run(names.lab.call("CHECK", config, on: 2, plugin: "dns-hosts")).requireSuccess()
      for number in 1...4 {
        for name in ["web", "web.net", "db"] {
          #expect(try lines(names, name, in: number) == ["10.88.0.250\t\(name)", "fd88::fa\t\(name)"])
        }
        #expect(try names.inside(number, "ping -4 -n -c1 -W2 web && ping -6 -n -c1 -W2 web.net").isSuccess)
      }
      try disconnect(names, 2, web)
      #expect(try names.address(of: "web", in: 1) == "10.88.0.250")
      try disconnect(names, 3, web)
      for number in [1, 4] {
        #expect(try lines(names, "web", in: number) == [])
        #expect(try lines(names, "db", in: number) == ["10.88.0.250\tdb", "fd88::fa\tdb"])
      }
    }
  }

  @Test func `with "members" the name of a service leads to the containers that take connections`() throws {
    try NamesLab.use(containers: 4) { names in
      let web = #"{"service": "web", "ports": [{"port": 80}], "resolve": "members""#
      try connect(names, 1)
      for number in 2...3 { try connect(names, number, "\(web)}") }
      try connect(names, 4, #"\#(web), "weight": 0}"#)
      #expect(
        try lines(names, "web", in: 1) == [
          "10.88.0.3\tweb", "fd88::3\tweb", "10.88.0.4\tweb", "fd88::4\tweb",
        ])
      try disconnect(names, 2, "\(web)}")
      #expect(try lines(names, "web", in: 1) == ["10.88.0.4\tweb", "fd88::4\tweb"])
    }
  }

  @Test(arguments: [false, true])
  func `dnsmasq answers with the virtual addresses until the last back-end has left`(isShared: Bool) throws {
    try DnsmasqLab.use(containers: 3, ["shop"], isShared: isShared) { net in
      let web = #"{"service": "web", "vip": ["10.102.0.250", "fd00:10:102::fa"], "ports": [{"port": 80}]}"#
      func expect(_ v4: String, _ v6: String) throws {
        for name in ["web", "web.shop"] {
          #expect(try net.answer(to: name, from: 1, at: "10.102.0.1", wanted: v4) == v4)
          #expect(try net.answer(to: name, "AAAA", from: 1, at: "10.102.0.1", wanted: v6) == v6)
        }
      }
      try net.join(1, "shop", as: "one")
      for number in 2...3 {
        try net.join(number, "shop", as: "pod\(number)", service: web)
        try expect("10.102.0.250", "fd00:10:102::fa")
      }
      // dnsmasq reads the file again; the answer must not go with the first back-end.
      try net.leave(2, "shop", service: web)
      #expect(try net.answer(to: "pod2", from: 1, at: "10.102.0.1", wanted: "NXDOMAIN") == "NXDOMAIN")
      try expect("10.102.0.250", "fd00:10:102::fa")
      try net.leave(3, "shop", service: web)
      try expect("NXDOMAIN", "NXDOMAIN")
    }
  }
}
