import CNI
import Etcd
import EtcdSupport
import IPAM
import NetTypes
import Testing

@Suite struct ReleaseTests {
  @Test func `DEL releases its own and no other, twice, with two requests and one`() throws {
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

  @Test func `an address that somebody else has by now stays`() throws {
    var bench = try Bench(dual)
    let given = try bench.add("a")
    try bench.etcd.put("/p/net/addresses/\(given[0])", "theirs")
    try bench.delete("a")
    #expect(bench.entries == ["addresses/\(given[0])": "theirs"])
  }

  @Test func `an address that is gone does not keep the rest`() throws {
    var bench = try Bench(dual)
    let given = try bench.add("a")
    try bench.etcd.delete(.one("/p/net/addresses/\(given[0])"))
    try bench.delete("a")
    #expect(bench.entries == [:])
  }

  @Test func `of two DELs at once the second finds nothing to do, and a later ADD keeps its address`() throws {
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

  @Test func `GC releases what this host has and nobody wants, and leaves other hosts'`() throws {
    var bench = try Bench(dual)
    let kept = try bench.add("a") + bench.add("a", on: "n2") + bench.add("b", on: "n10")
    for container in ["b", "c"] { _ = try bench.add(container) }
    var table = try bench.table()
    try table.releaseAll(except: [attachment("a")])
    #expect(bench.leased == kept.sorted())
    #expect(bench.names("attachments/") == ["n1/a:eth0", "n10/b:eth0", "n2/a:eth0"])
  }

  @Test func `GC goes on past what it cannot read, and names it`() throws {
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

  @Test func `all that a host has which will not come back is released from another`() throws {
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
