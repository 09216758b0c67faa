import CNI
import CNIRuntime
import NetTypes
import Testing

@Suite struct ReportTests {
  private func report(_ result: String?) throws -> JSONValue {
    try FakePlugins.with(["bridge"]) { host in
      let text = #"{"cniVersion":"1.0.0","name":"blue","type":"bridge"}"#
      let runtime = host.runtime()
      if let result {
        try host.answer("bridge", .add, result)
        _ = try runtime.add(try list(text), try attachment())
      }
      let entry = ConfigDirectory.Entry(list: try list(text), file: "/x/blue.conf")
      return NetworkReport(entry, attachments: try runtime.cache.entries()).json
    }
  }

  @Test func `the report shows ports that portmap chose`() throws {
    let ports = #"[{"containerPort":80,"hostPort":49153,"protocol":"tcp"}]"#
    let endpoint = try report("{\"cniVersion\":\"1.0.0\",\"portMappings\":\(ports)}")["containers"]?["c1"]
    #expect(endpoint?["port_mappings"]?.text == ports)
  }

  @Test func `the report shows a network without containers`() throws {
    let id = SHA256.hex("blue\0/x/blue.conf")
    #expect(try report(nil) == json(#"{"name":"blue","id":"\#(id)","driver":"bridge","containers":{}}"#))
  }

  @Test(arguments: [
    (
      #"""
      {"cniVersion":"1.0.0","interfaces":[{"name":"br0","mac":"02:00:00:00:00:01"},{"name":"eth0","mac":"x"},
       {"name":"eth0","mac":"02:42:ac:11:00:03","sandbox":"/n"}],
       "ips":[{"address":"172.17.0.1/16","interface":0},{"address":"172.17.0.3/16","interface":2},
       {"address":"fd00::3/64","interface":2}]}
      """#, "02:42:ac:11:00:03", "172.17.0.3/16", "fd00::3/64"
    ),
    (#"{"cniVersion":"1.0.0","ips":[{"address":"172.17.0.3/16"}]}"#, "", "172.17.0.3/16", ""),
    (#"{"cniVersion":"0.2.0","ip6":{"ip":"fd00::3/64"}}"#, "", "", "fd00::3/64"),
    (#"{"cniVersion":"1.0.0"}"#, "", "", ""),
  ])
  func `the report shows the addresses of a container's interface`(result: String, mac: String, v4: String, v6: String)
    throws
  {
    let endpoint = try #require(try report(result)["containers"]?["c1"])
    #expect(
      endpoint
        == .object([
          "endpoint": .string(SHA256.hex("blue\0c1\0eth0")), "mac_address": .string(mac), "ipv4_address": .string(v4),
          "ipv6_address": .string(v6),
        ]))
  }
}
