import CNI
import NetTypes
import Testing

@Suite struct ConfigurationTests {
  private func header(_ json: String) throws -> NetworkHeader {
    try CNIJSON.decode(NetworkHeader.self, from: Array(json.utf8))
  }

  @Test func `a missing cniVersion means 0.1.0`() throws {
    #expect(try SpecVersion(configured: nil) == .v0_1_0)
    #expect(try SpecVersion(configured: "") == .v0_1_0)
    #expect(try SpecVersion(configured: "1.1.0") == .v1_1_0)
  }

  @Test(arguments: ["0.5.0", "1.2.0", "2.0.0", "1.0", "x"])
  func `an unknown version is refused, and the error lists the supported versions`(text: String) {
    let supported = #"["0.1.0" "0.2.0" "0.3.0" "0.3.1" "0.4.0" "1.0.0" "1.1.0"]"#
    let refusal = CNIError(
      .incompatibleVersion, "incompatible CNI versions", details: "config is \"\(text)\", plugin supports \(supported)")
    #expect(throws: refusal) { try SpecVersion(configured: text) }
  }

  @Test(arguments: ["a", "net1", "A-b_c.d", "0net"])
  func `network names may have letters, digits and a few other characters`(name: String) throws {
    #expect(try header("{\"name\":\"\(name)\"}").checkedName().description == name)
  }

  @Test(arguments: ["../x", "a/b", "..", ".", "-a", "_a", "a b", "a..b", "ä", "a;b"])
  func `network names that would leave their directory are refused`(name: String) {
    let refusal = CNIError(
      .invalidNetworkConfig, "invalid characters found in network name",
      details: "name \"\(name)\": want \(NetworkName.expectedForm)")
    #expect(throws: refusal) { try header("{\"name\":\"\(name)\"}").checkedName() }
  }

  @Test(arguments: ["../bridge", "a/b", "..", "/bin/sh", "."])
  func `plugin types that are paths are refused`(type: String) {
    #expect(
      throws: CNIError(.invalidNetworkConfig, "key \"ipam.type\": \"\(type)\": want \(PluginType.expectedForm)")
    ) { try header("{\"ipam\":{\"type\":\"\(type)\"}}").checkedIPAMType() }
    #expect(throws: CNIError(.invalidNetworkConfig, "key \"type\": \"\(type)\": want \(PluginType.expectedForm)")) {
      try header("{\"type\":\"\(type)\"}").checkedType()
    }
  }

  @Test(
    arguments: [
      ("", [:]), ("IP=10.0.0.1", ["IP": "10.0.0.1"]), ("IgnoreUnknown=1;FOO=a=b", ["FOO": "a=b"]),
      ("IgnoreUnknown=TRUE;x=", ["x": nil]), ("K8S_POD_NAME=web;K8S_POD_UID=1;", ["K8S_POD_NAME": "web"]),
    ] as [(String, [String: String?])])
  func `values in CNI_ARGS may contain equals signs`(text: String, values: [String: String?]) throws {
    let arguments = try CNIArguments(text)
    for (key, value) in values { #expect(arguments[key] == value) }
  }

  @Test(arguments: [
    ("IP", "CNI_ARGS: invalid pair \"IP\": want KEY=value"),
    ("=x", "CNI_ARGS: invalid pair \"=x\": want KEY=value"),
    ("FOO=1", "CNI_ARGS: unknown args [\"FOO=1\"]"),
    ("mac=02:00:00:00:00:01", "CNI_ARGS: unknown args [\"mac=02:00:00:00:00:01\"]"),
    ("IgnoreUnknown=0;B=2;A=1", "CNI_ARGS: unknown args [\"A=1\", \"B=2\"]"),
    ("IgnoreUnknown=maybe", "CNI_ARGS: IgnoreUnknown=maybe: want 1, true, 0 or false"),
  ])
  func `invalid CNI_ARGS are refused and named`(text: String, message: String) {
    #expect {
      try CNIArguments(text)
    } throws: {
      ($0 as? CNIError)?.code == .invalidEnvironment && ($0 as? CNIError)?.message == message
    }
  }

  @Test(arguments: [
    ("{}", "", []), ("{}", "IP=10.0.0.1,10.0.0.2/24", ["10.0.0.1", "10.0.0.2/24"]),
    (
      #"{"args":{"org.apache.mesos":{"network_info":{"ip_addresses":[{"protocol":"IPv4"},{"ip_address":"10.0.0.3"}]}}}}"#,
      "IP=10.0.0.1", ["10.0.0.3"]
    ),
    (
      #"{"args":{"cni":{"ips":["10.0.0.4"]},"org.apache.mesos":{"network_info":{"ip_addresses":[{"ip_address":"10.0.0.3"}]}}}}"#,
      "", ["10.0.0.4"]
    ),
    (
      #"{"args":{"cni":{"ips":["10.0.0.4"]}},"runtimeConfig":{"IPs":["10.0.0.5/24","fd00::5"]}}"#, "",
      ["10.0.0.5/24", "fd00::5"]
    ),
    (#"{"runtimeConfig":{"ips":[]}}"#, "IP=10.0.0.1", ["10.0.0.1"]),
    (#"{"runtimeConfig":{"ips":null}}"#, "IP=10.0.0.1", ["10.0.0.1"]),
  ])
  func `only the address source with the highest precedence is used`(json: String, arguments: String, wanted: [String])
    throws
  {
    let keys = try CNIJSON.decode(RuntimeKeys.self, from: Array(json.utf8))
    #expect(try keys.requestedAddresses(CNIArguments(arguments)).map(\.description) == wanted)
  }

  @Test func `runtimeConfig dns is read with Go's key names and overrides the key dns`() throws {
    let go =
      #"{"dns":{"nameservers":["9.9.9.9"]},"runtimeConfig":{"dns":{"Servers":["10.0.0.1"],"Searches":["a"],"Options":null}}}"#
    #expect(
      try CNIJSON.decode(RuntimeKeys.self, from: Array(go.utf8)).effectiveDNS
        == DNS(nameservers: ["10.0.0.1"], search: ["a"]))
    let plain = #"{"dns":{"nameservers":["9.9.9.9"]},"runtimeConfig":{"dns":{}}}"#
    #expect(try CNIJSON.decode(RuntimeKeys.self, from: Array(plain.utf8)).effectiveDNS == DNS(nameservers: ["9.9.9.9"]))
  }

  @Test func `an absent list of valid attachments differs from an empty one`() throws {
    let read = { (json: String) in
      try CNIJSON.decode(ValidAttachments.self, from: Array(json.utf8)).attachments
    }
    #expect(try read("{}") == nil)
    #expect(try read(#"{"cni.dev/valid-attachments":null}"#) == nil)
    #expect(try read(#"{"cni.dev/valid-attachments":[]}"#) == [])
    #expect(try read(#"{"cni.dev/valid-attachments":[{"containerID":"a","ifname":"eth0"}]}"#)?.count == 1)
  }
}
