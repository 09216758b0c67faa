import CNI
import Kernel
import NetTypes
import TestSupport
import Testing
@testable import tuning

@Suite struct SettingsTests {
  private func settings(_ json: String, arguments: String = "") throws -> TuningSettings {
    try Fixture.use { try TuningSettings($0.call(json, arguments: arguments)) }
  }

  static let bad: [(String, [String])] = [
    (#"{"mtu": -1}"#, ["\"mtu\"", "-1", "1 to 2147483647"]),
    (#"{"mtu": 4294967296}"#, ["\"mtu\"", "4294967296"]),
    (#"{"mtu": "1400"}"#, ["\"mtu\"", "whole number"]),
    (#"{"mtu": 1400.5}"#, ["\"mtu\"", "whole number"]),
    (#"{"txQLen": -1}"#, ["\"txQLen\"", "-1", "0 to 2147483647"]),
    (#"{"txQLen": true}"#, ["\"txQLen\"", "whole number"]),
    (#"{"promisc": "yes"}"#, ["\"promisc\"", "true or false"]),
    (#"{"allmulti": 1}"#, ["\"allmulti\"", "true or false"]),
    (#"{"mac": "02:00"}"#, ["\"mac\"", "02:00", "six bytes"]),
    (#"{"mac": "01:00:00:00:00:01"}"#, ["01:00:00:00:00:01", "unicast"]),
    (#"{"mac": "00:00:00:00:00:00"}"#, ["00:00:00:00:00:00", "unicast"]),
    (#"{"dataDir": 1}"#, ["\"dataDir\"", "string"]),
    (#"{"sysctl": []}"#, ["\"sysctl\"", "object"]),
    (#"{"sysctl": {"net.ipv4.ip_forward": 1}}"#, ["\"sysctl.net.ipv4.ip_forward\"", "string"]),
    (#"{"sysctl": {"kernel.shmmax": "1"}}"#, ["kernel.shmmax", "below net"]),
    (#"{"sysctl": {"net/../kernel/shmmax": "1"}}"#, ["net/../kernel/shmmax", "below net"]),
    (
      #"{"sysctl": {"net.ipv4.conf.IFNAME.arp_notify": "1", "net/ipv4/conf/eth0/arp_notify": "1"}}"#,
      ["net.ipv4.conf.IFNAME.arp_notify", "net/ipv4/conf/eth0/arp_notify", "one of them"]
    ),
    (#"{"args": {"cni": {"mtu": -1}}}"#, ["-1"]),
    (#"{"args": {"cni": {"txQLen": "a"}}}"#, ["args.cni.txQLen"]),
    (#"{"args": {"cni": {"sysctl": {"net": "1"}}}}"#, ["args.cni.sysctl.net"]),
    (#"{"args": {"cni": []}}"#, ["args.cni", "object"]),
    (#"{"runtimeConfig": {"mac": "x"}}"#, ["runtimeConfig.mac"]),
  ]

  @Test(arguments: bad)
  func `an invalid value is refused`(json: String, fragments: [String]) throws {
    do {
      _ = try settings(json)
      Issue.record("nothing was refused")
    } catch let error as CNIError {
      #expect(error.code == .invalidNetworkConfig)
      for word in fragments { #expect(error.message.contains(word)) }
    }
  }

  @Test(arguments: [
    "{}", #"{"sysctl": {}}"#, #"{"mtu": 0, "mac": "", "dataDir": ""}"#,
    #"{"sysctl": null, "mac": null, "promisc": null, "mtu": null, "txQLen": null, "allmulti": null, "args": null}"#,
    #"{"args": {"cni": {"sysctl": {}, "mac": "", "name": "x"}}, "runtimeConfig": {}}"#,
  ])
  func `a configuration without values is empty`(json: String) throws {
    #expect(try settings(json).isEmpty)
  }

  /// Every combination of the four sources of a MAC address, lowest precedence first.
  @Test(arguments: 0..<16)
  func `MAC address precedence is args.cni, runtimeConfig, CNI_ARGS, mac`(sources: Int) throws {
    let given = (0..<4).map { sources >> $0 & 1 == 1 }
    let json = """
      {"mac": "\(given[0] ? "02:00:00:00:00:10" : "")",
       "runtimeConfig": {"mac": "\(given[2] ? "02:00:00:00:00:12" : "")"},
       "args": {"cni": {"mac": "\(given[3] ? "02:00:00:00:00:13" : "")"}}}
      """
    let read = try settings(json, arguments: given[1] ? "IgnoreUnknown=1;MAC=02:00:00:00:00:11" : "")
    let strongest = given.lastIndex(of: true)
    #expect(read.link.mac == strongest.flatMap { MACAddress("02:00:00:00:00:1\($0)") })
  }

  @Test func `args.cni overrides every key`() throws {
    let read = try settings(
      #"""
      {"mtu": 1400, "txQLen": 5, "promisc": true, "allmulti": true,
       "sysctl": {"net.ipv4.conf.IFNAME.arp_notify": "0", "net.core.somaxconn": "5"},
       "args": {"cni": {"mtu": 1300, "txQLen": 6, "promisc": false, "allmulti": false,
                        "sysctl": {"net/ipv4/conf/eth0/arp_notify": "1"}}}}
      """#)
    #expect(read.link == LinkChange(isPromiscuous: false, isAllMulticast: false, mtu: 1300, txQueueLength: 6))
    #expect(read.sysctls == [Sysctl("net/core/somaxconn", "5"), Sysctl("net/ipv4/conf/eth0/arp_notify", "1")])
  }

  @Test func `sysctls in args.cni alone are used`() throws {
    let read = try settings(#"{"args": {"cni": {"sysctl": {"net.ipv4.ip_forward": "1"}}}}"#)
    #expect(read.sysctls == [Sysctl("net/ipv4/ip_forward", "1")])
    #expect(read.names.map(\.text) == ["net.ipv4.ip_forward"])
  }

  @Test func `general sysctls are written before per-interface sysctls`() throws {
    let read = try settings(
      #"""
      {"sysctl": {"net.ipv4.conf.aaa.forwarding": "0", "net.ipv4.conf.default.forwarding": "1",
                  "net.ipv4.conf.all.forwarding": "1", "net.ipv4.ip_forward": "1"}}
      """#)
    #expect(
      read.sysctls.map(\.key) == [
        "net/ipv4/ip_forward", "net/ipv4/conf/all/forwarding", "net/ipv4/conf/default/forwarding",
        "net/ipv4/conf/aaa/forwarding",
      ])
  }

  @Test func `invalid CNI_ARGS are refused`() {
    #expect(throws: CNIError.self) { try settings("{}", arguments: "MAC=1") }
    #expect(throws: CNIError.self) { try settings("{}", arguments: "FOO=1") }
  }
}
