import CNI
import NetTypes
import PluginKit
import TestSupport
import Testing
@testable import ptp

@Suite struct SettingsTests {
  @Test(arguments: [
    (#""mtu":67"#, "key \"mtu\": 67: want 68 to 65535"),
    (#""mtu":65536"#, "key \"mtu\": 65536: want 68 to 65535"),
    (#""mtu":-1"#, "key \"mtu\": -1: want 68 to 65535"),
    (#""mtu":"1500""#, "key \"mtu\": \"1500\": want a whole number"),
    (#""mtu":1279"#, "key \"mtu\": 1279: want 1280 or more for IPv6"),
    (#""ipMasq":1"#, "key \"ipMasq\": 1: want true or false"),
    (#""ipMasqBackend":"ipfw""#, "key \"ipMasqBackend\": \"ipfw\": want iptables or nftables"),
    (
      #""ipMasqBackend":"iptables","backend":"nftables""#,
      "keys \"backend\": \"nftables\" and \"ipMasqBackend\": \"iptables\": want one backend"
    ),
    (#""ipMasqRandomFully":true"#, "key \"ipMasqRandomFully\": true: want \"ipMasq\": true with it"),
    (#""gwPriority":100"#, "key \"gwPriority\": 100: want -1000000 to 99"),
    (#""enabledad":"yes""#, "key \"enabledad\": \"yes\": want true or false"),
    (#""ipForward":0"#, "key \"ipForward\": 0: want true or false"),
    (#""macFromIP":"no""#, "key \"macFromIP\": \"no\": want true or false"),
    (#""runtimeConfig":{"mac":"01:00:5e:00:00:01"}"#, "MAC address 01:00:5e:00:00:01: want a unicast address"),
    (#""peer":7"#, "key \"peer\": 7: want a string"),
    (#""peer":"a/b""#, "key \"peer\": \"a/b\": want \"host\", the path of a namespace, or a name below /run/netns"),
    (#""peer":".""#, "key \"peer\": \".\": want \"host\", the path of a namespace, or a name below /run/netns"),
    (#""peer":"..""#, "key \"peer\": \"..\": want \"host\", the path of a namespace, or a name below /run/netns"),
    (#""peerIfName":"eth1""#, "key \"peerIfName\": the plugin names the end on the host: want a \"peer\""),
    (
      #""peer":"host","peerIfName":"eth1""#, "key \"peerIfName\": the plugin names the end on the host: want a \"peer\""
    ),
    (
      #""peer":"b","peerIfName":"much-too-long-for-it""#,
      "key \"peerIfName\": \"much-too-long-for-it\": want \(InterfaceName.expectedForm)"
    ),
    (
      #""peer":"b","ipMasq":true"#,
      "keys \"peer\": \"/run/netns/b\" and \"ipMasq\": no packets pass through the host: want only one of the keys"
    ),
    (
      #""peer":"/b","ipForward":true"#,
      "keys \"peer\": \"/b\" and \"ipForward\": no packets pass through the host: want only one of the keys"
    ),
  ])
  func `ADD refuses an invalid configuration and leaves nothing`(keys: String, message: String) throws {
    let fixture = Fixture()
    #expect(throws: CNIError(.invalidNetworkConfig, message)) { _ = try fixture.add(keys) }
    #expect(fixture.kernel.applied == [])
    #expect(fixture.ipam.calls.filter { $0 == .add }.count == fixture.ipam.calls.filter { $0 == .del }.count)
  }

  @Test(arguments: ["{}", #"{"ipam":{}}"#, #"{"ipam":{"type":""}}"#])
  func `a configuration without ipam is refused`(json: String) throws {
    let fixture = Fixture()
    #expect {
      _ = try PTPDriver().settings(fixture.config(json), RuntimeKeys(), CNIArguments(""))
    } throws: {
      ($0 as? CNIError)?.code == .invalidNetworkConfig && "\($0)".contains("key \"ipam\" is missing")
    }
  }

  @Test func `IPAM dhcp is refused`() throws {
    let message = "key \"ipam\": dhcp asks a server on the link, but a ptp link has none: want another"
    #expect(throws: CNIError(.invalidNetworkConfig, message)) {
      _ = try PTPDriver().settings(Fixture().config(#"{"ipam":{"type":"dhcp"}}"#), RuntimeKeys(), CNIArguments(""))
    }
  }

  @Test(
    arguments: [
      ("", nil), (#""peer":"""#, nil), (#""peer":null"#, nil), (#""peer":"host""#, nil),
      (#""PEER":"b""#, "/run/netns/b"),
      (#""peer":"/proc/7/ns/net""#, "/proc/7/ns/net"), (#""peer":"..b""#, "/run/netns/..b"),
    ] as [(String, String?)])
  func `a peer is the host, a path or a name`(keys: String, path: String?) throws {
    let config = try Fixture().call(keys).config
    #expect(config.peerNamespace == path.map { PeerNamespace($0, key: "peer") })
  }

  @Test(arguments: [
    (#""runtimeConfig":{"mac":"02:00:00:00:00:01"},"args":{"cni":{"mac":"02:00:00:00:00:02"}}"#, "02:00:00:00:00:01"),
    (#""args":{"cni":{"mac":"02:00:00:00:00:02"}}"#, "02:00:00:00:00:02"),
    (#""macFromIP":true"#, "02:00:00:00:00:03"),
  ])
  func `MAC address precedence is runtimeConfig, args.cni, CNI_ARGS, macFromIP`(keys: String, mac: String) throws {
    let result = try Fixture().add(keys, arguments: "MAC=02:00:00:00:00:03")
    #expect(result.interfaces[1].mac == mac)
  }

  @Test func `macFromIP derives the MAC address from the IPv4 address`() throws {
    #expect(try Fixture().add(#""macFromIP":true"#).interfaces[1].mac == "02:42:0a:01:00:05")
    let fixture = Fixture()
    fixture.ipam.answer.ips.removeFirst()
    let message = "key \"macFromIP\": true: the container has no IPv4 address to derive the MAC address from"
    #expect(throws: CNIError(.invalidNetworkConfig, message)) { _ = try fixture.add(#""macFromIP":true"#) }
  }
}
