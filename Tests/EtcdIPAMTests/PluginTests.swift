import CNI
import Etcd
import EtcdSupport
import IPAM
import NetTypes
import PluginKit
import TestSupport
import Testing
@testable import ipam_etcd

/// The plugin in this process, with a cluster in memory.
private struct PluginBench {
  let etcd = FakeEtcd()

  var plugin: EtcdIPAM<FakeEtcd> {
    EtcdIPAM(
      connecting: { [etcd] _ in etcd },
      text: { path throws(CNIError) in
        guard path == "/proc/sys/kernel/hostname" else { throw CNIError(.leaseStore, "open \(path): no such file") }
        return "web-1\n"
      })
  }

  func json(_ ipam: String, _ more: String = "") -> String {
    #"{"cniVersion": "1.1.0", "name": "net", \#(more) "ipam": {"endpoints": "http://e:1", "prefix": "/p", \#(ipam)}}"#
  }

  func call(_ container: String, _ ipam: String, more: String = "") throws -> Call<EtcdIPAMConfig> {
    let bytes = Array(json(ipam, more).utf8)
    return Call(
      owner: try owner(container), namespacePath: "", config: try CNIJSON.decode(EtcdIPAMConfig.self, from: bytes),
      keys: try CNIJSON.decode(RuntimeKeys.self, from: bytes), delegates: none)
  }

  func add(_ container: String, _ ipam: String, more: String = "") throws -> AddResult {
    var answer: AddResult?
    try plugin.add(call(container, ipam, more: more)) { answer = $0 }
    return try #require(answer)
  }

  func network(_ ipam: String) throws -> NetworkCall<EtcdIPAMConfig> {
    NetworkCall(
      name: "net",
      config: try CNIJSON.decode(EtcdIPAMConfig.self, from: Array(json(ipam).utf8)), delegates: none)
  }

  func removal(_ container: String, _ config: EtcdIPAMConfig?) throws -> Removal<EtcdIPAMConfig> {
    Removal(owner: try owner(container), namespacePath: nil, config: config, delegates: none)
  }

  private let none = Delegates(ipam: nil) { (_, _, _) throws(CNIError) in nil }
}

/// The CNI error that `body` throws; `nil` if it throws another error or none.
private func refusal(_ body: () throws -> Void) -> CNIError? {
  do {
    try body()
    return nil
  } catch { return error as? CNIError }
}

private let small = #""subnet": "10.1.0.0/30""#

@Suite struct PluginTests {
  @Test func `the result has the address with its gateway, and the configured routes`() throws {
    let bench = PluginBench()
    let result = try bench.add("a", small + #", "routes": [{"dst": "0.0.0.0/0"}]"#)
    let ip = AddResult.IP(address: "10.1.0.2/30", gateway: "10.1.0.1")
    #expect(result.ips == [ip])
    #expect(result.routes == [Route(dst: .everything(.v4))])
    #expect(bench.etcd.texts.keys.sorted() == ["/p/net/addresses/10.1.0.2", "/p/net/attachments/web-1/a:eth0"])
  }

  @Test(arguments: [
    #""runtimeConfig": {"ips": ["10.1.0.6"]}, "args": {"cni": {"ips": ["10.1.0.5"]}},"#,
    #""args": {"cni": {"ips": ["10.1.0.6/29"]}},"#,
  ])
  func `a requested address is assigned`(more: String) throws {
    let result = try PluginBench().add("a", #""subnet": "10.1.0.0/29""#, more: more)
    #expect(result.ips.map(\.address.description) == ["10.1.0.6/29"])
  }

  @Test func `an ADD whose result cannot be written takes no address`() throws {
    let bench = PluginBench()
    let failure = CNIError(.ioFailure, "write the result to standard output: Broken pipe")
    let call = try bench.call("a", small)
    #expect(refusal { try bench.plugin.add(call) { (_) throws(CNIError) in throw failure } } == failure)
    #expect(bench.etcd.texts == [:])
    bench.etcd.next(.asUsual, .asUsual, .noQuorum)
    let error = refusal { try bench.plugin.add(call) { (_) throws(CNIError) in throw failure } }
    #expect(error?.message == "\(failure.message); etcd: no quorum answers")
  }

  @Test func `an unreadable resolv.conf is reported before an address is taken`() throws {
    let bench = PluginBench()
    #expect(refusal { _ = try bench.add("a", small + #", "resolvConf": "/none""#) }?.code == .leaseStore)
    #expect(bench.etcd.requests == [])
  }

  @Test func `CHECK names every difference`() throws {
    let bench = PluginBench()
    var call = try bench.call("a", #""ranges": [[{"subnet": "10.1.0.0/30"}], [{"subnet": "fd00::/127"}]]"#)
    try bench.plugin.add(call) { call.previous = $0 }
    try bench.plugin.check(call)
    try bench.etcd.delete(.one("/p/net/addresses/fd00::1"))
    #expect(
      refusal { try bench.plugin.check(call) }
        == CNIError(
          .differences,
          "leases of container a (eth0) in network net: no address of range set fd00::-fd00::1 is leased; "
            + "fd00::1 of ADD's result is not leased"))
  }

  @Test func `DEL releases the addressess own addresses after any change of the ranges, and can be repeated`() throws {
    let bench = PluginBench()
    _ = try bench.add("a", small)
    let broken = try CNIJSON.decodeValue(Array(bench.json(#""subnet": 5, "blockSize": "x""#).utf8))
    let salvaged = try #require(EtcdIPAM<FakeEtcd>.partialConfig(broken))
    for _ in 1...2 {
      try bench.plugin.delete(bench.removal("a", salvaged))
      #expect(bench.etcd.texts == [:])
    }
  }

  @Test func `DEL reports missing etcd endpoints`() throws {
    let bench = PluginBench()
    #expect(EtcdIPAM<FakeEtcd>.partialConfig(try CNIJSON.decodeValue(Array(#"{"ipam": {}}"#.utf8))) == nil)
    let error = refusal { try bench.plugin.delete(bench.removal("a", nil)) }
    #expect(error?.code == .invalidNetworkConfig)
    #expect(
      error?.message
        == "release the addresses of container a (eth0): the configuration has no address of etcd: want ipam.endpoints")
  }

  @Test func `GC keeps valid attachments`() throws {
    let bench = PluginBench()
    let text = #""subnet": "10.1.0.0/24""#
    for container in ["a", "b"] { _ = try bench.add(container, text) }
    try bench.plugin.collectGarbage(bench.network(text), valid: [attachment("b")])
    #expect(bench.etcd.texts.keys.filter { $0.contains("attachments") } == ["/p/net/attachments/web-1/b:eth0"])
  }

  @Test func `STATUS reports a range set without free addresses and an etcd that does not answer`() throws {
    let bench = PluginBench()
    let network = try bench.network(small)
    try bench.plugin.status(network)
    bench.etcd.next(.noQuorum, .refused(CNIError(.etcdRefused, "etcd: permission denied")))
    for message in ["etcd: no quorum answers", "etcd: permission denied"] {
      #expect(refusal { try bench.plugin.status(network) } == CNIError(.notAvailable, message))
    }
    _ = try bench.add("a", small)
    #expect(
      refusal { try bench.plugin.status(network) }
        == CNIError(.notAvailable, "network net: 0 of 1 addresses free in 10.1.0.1-10.1.0.2"))
  }
}
