import CNI
import Testing
import TestSupport
@testable import portmap

@Suite struct BadConfigTests {
  /// Configurations, and texts that the error must contain.
  static let mappingsAndFragments: [(String, String)] = [
    (#"{"hostPort":8080}"#, #"key "runtimeConfig.portMappings[0].containerPort": missing"#),
    (#"{"hostPort":8080,"containerPort":0}"#, #"[0].containerPort": 0: want 1 to 65535"#),
    (#"{"hostPort":70000,"containerPort":80}"#, #"[0].hostPort": 70000: want 1 to 65535"#),
    (#"{"hostPort":-1,"containerPort":80}"#, #"[0].hostPort": -1: want 1 to 65535"#),
    (#"{"hostPort":8080,"containerPort":65536}"#, #"[0].containerPort": 65536: want 1 to 65535"#),
    (#"{"hostPort":"8080","containerPort":80}"#, #"[0].hostPort": "8080": want a whole number"#),
    (#"{"hostPort":80.5,"containerPort":80}"#, "want a whole number"),
    (#"{"hostPort":8080,"containerPort":80,"protocol":"icmp"}"#, #"protocol": "icmp": want tcp, udp or sctp"#),
    (#"{"hostPort":8080,"containerPort":80,"protocol":"tcp,"}"#, "want tcp, udp or sctp"),
    (#"{"hostPort":8080,"containerPort":80,"protocol":"tcp,tcp"}"#, "want tcp, udp or sctp"),
    (#"{"hostPort":8080,"containerPort":80,"hostIP":"localhost"}"#, #"hostIP": "localhost": want an IPv4 or IPv6"#),
    (#"{"hostPort":8080,"containerPort":80,"hostIP":"10.0.0.1/24"}"#, "want an IPv4 or IPv6 address"),
    (#"{"hostPort":8080,"containerPort":80,"hostIP":"224.0.0.1"}"#, "want an address that a host can have"),
    (#"{"hostPort":8080,"containerPort":80,"hostIP":7}"#, "want a string"),
    (#"{"hostPort":8000,"hostPortEnd":7999,"containerPort":80}"#, #"hostPortEnd": 7999: want 8000 to 65535"#),
    (#"{"hostPort":8000,"hostPortEnd":8001,"containerPort":80,"containerPortEnd":82}"#, "want as many ports"),
    (#"{"hostPort":8000,"hostPortEnd":8001,"containerPort":65535}"#, "want 2 ports up to 65535"),
    (#"{"hostPort":65535,"containerPort":80,"containerPortEnd":81}"#, "want 2 ports up to 65535"),
    (#"{"hostPortEnd":8001,"containerPort":80}"#, #"want "hostPort" with it"#),
    (#""8080:80""#, "want an object"),
    (
      #"{"hostPort":80,"containerPort":1},{"hostPort":80,"containerPort":2}"#,
      #"portMappings[1]": host port 80/tcp twice, with "runtimeConfig.portMappings[0]""#
    ),
    (
      #"{"hostPort":80,"containerPort":1,"hostIP":"192.0.2.1"},{"hostPort":80,"containerPort":2}"#,
      "host port 80/tcp twice"
    ),
    (
      #"{"hostPort":80,"hostPortEnd":90,"containerPort":1},{"hostPort":90,"containerPort":2}"#, "host port 90/tcp twice"
    ),
  ]

  @Test(arguments: mappingsAndFragments)
  func `an invalid mapping is refused`(json: String, fragment: String) throws {
    try expectRefusal(of: mappings(json), fragment)
  }

  @Test(arguments: [
    (#"{"hostPort":80,"containerPort":1},{"hostPort":80,"containerPort":2,"protocol":"udp"}"#),
    (#"{"hostPort":80,"containerPort":1,"hostIP":"192.0.2.1"},{"hostPort":80,"containerPort":2,"hostIP":"192.0.2.2"}"#),
    (#"{"hostPort":80,"containerPort":1,"hostIP":"0.0.0.0"},{"hostPort":80,"containerPort":2,"hostIP":"::"}"#),
  ])
  func `one host port can be used twice with different protocols, addresses or families`(json: String) throws {
    #expect(try PortmapSettings(try Fixture().config(mappings(json))).mappings.count == 2)
  }

  static let othersAndWords: [(String, String)] = [
    (#"{"backend":"firewalld"}"#, #"key "backend": "firewalld": want iptables or nftables"#),
    (#"{"markMasqBit":32}"#, #"key "markMasqBit": 32: want 0 to 31"#), (#"{"markMasqBit":-1}"#, "want 0 to 31"),
    (#"{"markMasqBit":13,"externalSetMarkChain":"X"}"#, #"keys "markMasqBit" and "externalSetMarkChain""#),
    (#"{"backend":"nftables","externalSetMarkChain":"X"}"#, "nftables and iptables: want one backend for both"),
    (#"{"backend":"nftables","conditionsV4":["-s","10.0.0.0/8"]}"#, #"keys "backend" and "conditionsV4""#),
    (#"{"backend":"iptables","conditionsV6":["ip6","saddr","::1"]}"#, #"keys "backend" and "conditionsV6""#),
    (#"{"conditionsV4":["-s","1.2.3.4"],"conditionsV6":["ip6","saddr","::1"]}"#, "want one backend for both"),
    (#"{"conditionsV4":["ip","saddr","1.2.3.4"],"externalSetMarkChain":"X"}"#, "want one backend for both"),
    (#"{"snat":false,"masqAll":true}"#, #"keys "masqAll": true and "snat": false"#),
    (#"{"snat":"yes"}"#, "want true or false"), (#"{"hostPortRange":"49900-49000"}"#, "want two ports"),
    (#"{"hostPortRange":"49000"}"#, "want two ports"), (#"{"hostPortRange":"0-10"}"#, "want two ports"),
    (#"{"hostPortRange":"1-65536"}"#, "want two ports"), (#"{"defaultHostIP":"here"}"#, #"key "defaultHostIP""#),
    (#"{"excludeDevices":["a/b"]}"#, #"key "excludeDevices[0]""#), (#"{"delegate":{"bridge":"b"}}"#, "delegate.type"),
    (#"{"delegate":{"type":"../bridge"}}"#, "want a plugin's file name"),
    (#"{"runtimeConfig":{"exposedPorts":["http"]}}"#, #"exposedPorts[0]": "http""#),
    (#"{"runtimeConfig":{"exposedPorts":["80/icmp"]}}"#, "want a port and a protocol"),
    (#"{"runtimeConfig":{"exposedPorts":["80/tcp/udp"]}}"#, "want a port and a protocol"),
    (#"{"runtimeConfig":{"exposedPorts":[0]}}"#, "want 1 to 65535"),
    (#"{"runtimeConfig":{"floatingIPs":["127.0.0.1"]}}"#, "want a unicast address outside the host"),
    (#"{"runtimeConfig":{"floatingIPs":[{"device":"eth0"}]}}"#, #"floatingIPs[0].ip": missing"#),
    (#"{"runtimeConfig":{"floatingIPs":["192.0.2.1",{"ip":"192.0.2.1"}]}}"#, "192.0.2.1 twice"),
    (#"{"runtimeConfig":{"portMappings":{}}}"#, "want a list"),
  ]

  @Test(arguments: othersAndWords)
  func `an invalid key is refused`(json: String, fragment: String) throws { try expectRefusal(of: json, fragment) }

  @Test(arguments: [
    #"ip\nsaddr"#, #"x;y"#, #"x; flush ruleset"#, #"#"#, #"$x"#, #"a\\b"#, #"'"#, #"`id`"#, #"\"a\"b\""#, #"a\"b"#,
    #"\""#, #"}"#, #"{"#, #"{ {"#, #"} {"#, #"\u0000"#, #"\u007f"#, #""#,
  ])
  func `condition words that could end a rule are refused`(word: String) throws {
    try expectRefusal(of: #"{"conditionsV4":["ip","saddr",""# + word + #""]}"#, #"key "conditionsV4"#)
  }

  @Test(arguments: [#"-s\n-j ACCEPT"#, #"\u0000"#, ""])
  func `condition words that iptables cannot parse are refused`(word: String) throws {
    try expectRefusal(of: #"{"conditionsV6":["-s",""# + word + #""]}"#, #"key "conditionsV6[1]""#)
  }

  @Test(arguments: [
    "A B", "A;B", #"A\"B"#, #"A\nB"#, "-A", "1A", "PREROUTING", "A/B", "{", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "é",
  ])
  func `an invalid chain name is refused`(name: String) throws {
    for key in ["chain", "externalSetMarkChain"] {
      try expectRefusal(of: "{\"\(key)\":\"\(name)\"}", "key \"\(key)\"")
    }
  }

  private func expectRefusal(of json: String, _ fragment: String, at location: SourceLocation = #_sourceLocation) throws
  {
    let error = #expect(throws: CNIError.self, sourceLocation: location) {
      try PortmapSettings(try Fixture().config(json))
    }
    #expect(error?.code == .invalidNetworkConfig, sourceLocation: location)
    #expect(error?.message.contains(fragment) == true, "\(error?.message ?? "")", sourceLocation: location)
  }
}
