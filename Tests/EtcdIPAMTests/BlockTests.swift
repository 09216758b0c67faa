import CNI
import Etcd
import EtcdSupport
import IPAM
import NetTypes
import Testing

@Suite struct BlockTests {
  private func block(of address: String, _ length: Int) throws -> String {
    let address = try #require(IPAddress(address))
    let prefix = try #require(IPPrefix(address, length: length))
    return "\(prefix.network.address)-\(length)"
  }

  @Test func `a host's first address reserves a block in the same transaction, and the next ones come from it`() throws
  {
    var bench = try Bench(dual, blockSize: 16)
    let first = try bench.add("a")
    let blocks = [try block(of: first[0], 28), try block(of: first[1], 124)]
    #expect(bench.entries["blocks/\(blocks[0])"] == "n1")
    #expect(bench.names("nodes/n1/") == blocks.sorted())
    for container in 0..<12 {
      let before = bench.etcd.requests.count
      let given = try bench.add("c\(container)")
      #expect([try block(of: given[0], 28), try block(of: given[1], 124)] == blocks)
      #expect(bench.etcd.requests.count - before <= 4)
    }
    #expect(bench.names("blocks/") == blocks.sorted())
  }

  @Test func `ADD in the host's own block takes three requests`() throws {
    var bench = try Bench(dual, blockSize: 64)
    _ = try bench.add("a")
    let before = bench.etcd.requests.count
    _ = try bench.add("b")
    #expect(bench.etcd.requests.count - before == 3)
  }

  @Test func `hosts have different blocks and use other hosts' blocks if no block is left`() throws {
    var bench = try Bench(#""subnet": "10.1.0.0/26""#, blockSize: 16)
    var given: Set<String> = []
    for node in 1...4 { given.formUnion(try bench.add("a", on: "n\(node)")) }
    #expect(Set(try given.map { try block(of: $0, 28) }).count == 4)
    #expect(Set(bench.names("blocks/").compactMap { bench.entries["blocks/\($0)"] }).count == 4)
    for container in 0..<57 { given.formUnion(try bench.add("c\(container)", on: "n5")) }
    #expect(given.count == 61)
    #expect(bench.names("nodes/n5/") == [])
    #expect(try bench.refusal("more", on: "n1")?.code == .poolExhausted)
  }

  @Test func `a new block is reserved when the block is full`() throws {
    var bench = try Bench(
      #""subnet": "10.1.0.0/24", "rangeStart": "10.1.0.16", "rangeEnd": "10.1.0.239""#, blockSize: 16)
    for container in 0..<40 { _ = try bench.add("c\(container)") }
    #expect(bench.names("nodes/n1/").count == 3)
  }

  @Test func `two range sets in one block reserve it once`() throws {
    var bench = try Bench(
      #"""
      "ranges": [[{"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.2", "rangeEnd": "10.1.0.20"}],
        [{"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.40", "rangeEnd": "10.1.0.60"}]]
      """#, blockSize: 256)
    #expect(try bench.add("a").count == 2)
    #expect(bench.names("blocks/") == ["10.1.0.0-24"])
  }

  @Test func `a block that another host reserves first stays with that host`() throws {
    var bench = try Bench(#""subnet": "10.1.0.0/27""#, blockSize: 16)
    let rivals = ["10.1.0.0-28", "10.1.0.16-28"].map {
      EtcdTransaction.Operation.put("/p/net/blocks/\($0)", Array("n2".utf8), lease: nil)
    }
    bench.etcd.next(.asUsual, .asUsual, .asUsual, .rival(EtcdTransaction(rivals)))
    #expect(try bench.add("a").count == 1)
    #expect(bench.names("nodes/") == [])
    #expect(bench.names("blocks/").compactMap { bench.entries["blocks/\($0)"] } == ["n2", "n2"])
  }

  @Test func `GC releases blocks without leases`() throws {
    var bench = try Bench(#""subnet": "10.1.0.0/24""#, blockSize: 2)
    for container in 0..<6 { _ = try bench.add("c\(container)") }
    let kept = try #require(bench.entries["attachments/n1/c3:eth0"]).split(separator: "\"")[3]
    var table = try bench.table()
    try table.releaseAll(except: [attachment("c3")])
    #expect(bench.names("blocks/") == [try block(of: String(kept), 31)])
    #expect(bench.names("nodes/n1/") == [try block(of: String(kept), 31)])
  }
}
