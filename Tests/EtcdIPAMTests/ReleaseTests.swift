import CNI
import Etcd
import EtcdSupport
import IPAM
import NetTypes
import Testing

@Suite struct ReleaseTests {
  @Test func `DEL releases only its own addresses with two requests, and a repeated DEL needs one`() throws {
    var bench = try Bench(dual)
    let other = try bench.add("b")
    _ = try bench.add("a")
    let before = bench.etcd.requests.count
    try bench.delete("a")
    #expect(bench.etcd.requests.count - before == 2)
    try bench.delete("a")
    #expect(bench.etcd.requests.count - before == 3)
    #expect(bench.leased == other.sorted())
  }

  @Test func `DEL keeps an address that another attachment has now`() throws {
    var bench = try Bench(dual)
    let given = try bench.add("a")
    try bench.etcd.put("/p/net/addresses/\(given[0])", "theirs")
    try bench.delete("a")
    #expect(bench.entries == ["addresses/\(given[0])": "theirs"])
  }

  @Test func `DEL releases the other addresses if one is already gone`() throws {
    var bench = try Bench(dual)
    let given = try bench.add("a")
    try bench.etcd.delete(.one("/p/net/addresses/\(given[0])"))
    try bench.delete("a")
    #expect(bench.entries == [:])
  }

  @Test func `a second DEL at the same time does nothing, and a later ADD keeps its address`() throws {
    var bench = try Bench(dual)
    _ = try bench.add("a")
    let later = #"{"addresses":["10.1.0.77"],"attempt":"x"}"#
    let rival = EtcdTransaction([.put("/p/net/attachments/n1/a:eth0", Array(later.utf8), lease: nil)])
    bench.etcd.next(.asUsual, .rival(rival))
    try bench.delete("a")
    #expect(bench.entries["attachments/n1/a:eth0"] == later)
    bench.etcd.next(.asUsual, .rival(EtcdTransaction([.delete(.prefixed("/p/net/"))])))
    try bench.delete("a")
    #expect(bench.entries == [:])
  }

  @Test func `GC releases this host's addresses that are not valid and keeps those of other hosts`() throws {
    var bench = try Bench(dual)
    let kept = try bench.add("a") + bench.add("a", on: "n2") + bench.add("b", on: "n10")
    for container in ["b", "c"] { _ = try bench.add(container) }
    var table = try bench.table()
    try table.releaseAll(except: [attachment("a")])
    #expect(bench.leased == kept.sorted())
    #expect(bench.names("attachments/") == ["n1/a:eth0", "n10/b:eth0", "n2/a:eth0"])
  }

  @Test func `GC continues after a key that it cannot read, and names it`() throws {
    var bench = try Bench(dual)
    _ = try bench.add("c")
    try bench.etcd.put("/p/net/attachments/n1/b:eth0", "{}")
    var table = try bench.table()
    do {
      try table.releaseAll(except: [])
      Issue.record("no error")
    } catch {
      #expect(error.code == .etcdRefused)
      #expect(error.message.hasPrefix("read key /p/net/attachments/n1/b:eth0 of etcd: "))
    }
    #expect(bench.entries == ["attachments/n1/b:eth0": "{}"])
  }

  @Test func `all addresses of a dead host can be released from another host`() throws {
    var bench = try Bench(dual, blockSize: 16)
    let kept = try bench.add("a", on: "n1")
    for container in ["a", "b", "c"] { _ = try bench.add(container, on: "n2") }
    var table = try bench.table(on: "n2")
    try table.releaseAll(except: [])
    #expect(bench.leased == kept.sorted())
    #expect(bench.names("nodes/").allSatisfy { $0.hasPrefix("n1/") })
    #expect(Set(bench.names("blocks/").compactMap { bench.entries["blocks/\($0)"] }) == ["n1"])
  }
}
