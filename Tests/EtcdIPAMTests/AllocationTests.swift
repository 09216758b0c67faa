import BaseSupport
import CNI
import Etcd
import EtcdSupport
import IPAM
import NetTypes
import Testing

@Suite struct AllocationTests {
  @Test func `ADD reads once and writes addresses, holder and attachment in one transaction`() throws {
    var bench = try Bench(#""ranges": [[{"subnet": "10.1.0.0/30"}], [{"subnet": "fd00::/127"}]]"#)
    #expect(try bench.add("a") == ["10.1.0.2", "fd00::1"])
    #expect(bench.etcd.requests.count == 2)
    let attempt = try #require(bench.entries["addresses/fd00::1"]).split(separator: "\"")[3]
    let holder = #"{"attempt":"\#(attempt)","container":"a","interface":"eth0","node":"n1"}"#
    #expect(
      bench.entries == [
        "addresses/10.1.0.2": holder, "addresses/fd00::1": holder,
        "attachments/n1/a:eth0": #"{"addresses":["10.1.0.2","fd00::1"],"attempt":"\#(attempt)"}"#,
      ])
  }

  @Test func `a second ADD of the same attachment is refused and changes nothing`() throws {
    var bench = try Bench(dual)
    let given = try bench.add("a")
    let before = bench.entries
    #expect(
      try bench.refusal("a")
        == CNIError(
          .alreadyAttached,
          "\(given.joined(separator: ", ")) has been allocated to container a (eth0), duplicate allocation is not allowed",
          details: "network net"))
    #expect(bench.entries == before)
  }

  @Test func `of two ADDs of the same attachment at once, one is refused`() throws {
    var bench = try Bench(dual)
    let other = EtcdTransaction.Operation.put(
      "/p/net/attachments/n1/a:eth0", Array(#"{"addresses":["10.1.0.77"],"attempt":"x"}"#.utf8), lease: nil)
    bench.etcd.next(.asUsual, .rival(EtcdTransaction([other])))
    #expect(try bench.refusal("a")?.code == .alreadyAttached)
    #expect(bench.leased == [])
  }

  @Test func `an attachment with the same names on another host is a different one`() throws {
    var bench = try Bench(dual)
    let first = try bench.add("a", on: "n1")
    let second = try bench.add("a", on: "n2")
    #expect(Set(first + second).count == 4)
    try bench.delete("a", on: "n1")
    #expect(bench.leased == second.sorted())
  }

  @Test(arguments: [
    (#""subnet": "10.1.0.0/29""#, 5, "10.1.0.1-10.1.0.6"), (#""subnet": "10.1.0.0/31""#, 1, "10.1.0.0-10.1.0.1"),
    (#""subnet": "10.1.0.9/32""#, 1, "10.1.0.9-10.1.0.9"), (#""subnet": "fd00::/125""#, 6, "fd00::1-fd00::7"),
    (#""subnet": "10.1.0.0/22", "rangeStart": "10.1.0.250", "rangeEnd": "10.1.1.9""#, 16, "10.1.0.250-10.1.1.9"),
    (#""subnet": "10.1.0.0/24", "exclude": ["10.1.0.3-10.1.0.253"]"#, 2, "10.1.0.1-10.1.0.254"),
    (#""subnet": "255.255.255.248/29""#, 5, "255.255.255.249-255.255.255.254"),
    (
      #""subnet": "fd00::ff00/120", "rangeStart": "fd00::ff01"}], [{"subnet": "10.0.0.0/8""#, 254,
      "fd00::ff01-fd00::ffff"
    ),
  ])
  func `the last free address is found, and the next ADD is refused`(text: String, count: Int, name: String) throws {
    var bench = try Bench(#""ranges": [[{\#(text)}]]"#)
    var given: Set<String> = []
    for number in 0..<count { given.formUnion(try bench.add("c\(number)").prefix(1)) }
    #expect(given.count == count)
    let error = try bench.refusal("more")
    #expect(error?.code == .poolExhausted)
    #expect(
      error?.message == "no IP addresses available in range set \(name): 0 of \(count) addresses free")
    var table = try bench.table()
    var random = Xorshift(seed: 3)
    #expect(try table.exhausted(bench.sets, using: &random) == [bench.sets[0]])
    try bench.delete("c0")
    #expect(try table.exhausted(bench.sets, using: &random) == [])
    #expect(try bench.add("more").prefix(1).allSatisfy(given.contains))
  }

  @Test func `a full range set leaves the addresses of the other set unchanged`() throws {
    var bench = try Bench(#""ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00::/127"}]]"#)
    _ = try bench.add("a")
    let before = bench.entries
    #expect(try bench.refusal("b")?.details == "network net, ipam.ranges[1]")
    #expect(bench.entries == before)
  }

  @Test(arguments: 1...4) func `the only free address of sixteen thousand is found with few requests`(seed: Int) throws
  {
    var bench = try Bench(#""subnet": "10.1.0.0/18""#)
    bench.random = Xorshift(seed: UInt64(seed))
    let free = "10.1.\(seed * 15).\(seed)"
    let all = bench.sets[0].usable.flatMap { span in
      sequence(first: span.first) { $0 < span.last ? $0.advanced(by: 1) : nil }
    }
    for part in stride(from: 0, to: all.count, by: 100) {
      let addresses = all[part..<min(part + 100, all.count)].filter { $0.description != free }
      _ = try bench.etcd.transact(
        EtcdTransaction(addresses.map { .put("/p/net/addresses/\($0)", [], lease: nil) }))
    }
    let before = bench.etcd.requests.count
    #expect(try bench.add("a") == [free])
    #expect(bench.etcd.requests.count - before <= 20)
  }

  @Test func `concurrent ADDs get different addresses down to the last one`() throws {
    let bench = try Bench(
      #""ranges": [[{"subnet": "10.1.0.0/24", "rangeEnd": "10.1.0.241"}], [{"subnet": "fd00::/64"}]]"#)
    let given = atOnce(24, workers: 24) { (worker) -> [String] in
      var bench = bench
      bench.random = Xorshift(seed: UInt64(worker + 1))
      return try (0..<10).flatMap { try bench.add("c\(worker)-\($0)", on: "n\(worker % 3)") }
    }
    let addresses = try given.flatMap { try $0.get() }
    #expect(addresses.count == 480)
    #expect(addresses.sorted() == bench.leased)
    #expect(bench.names("attachments/").count == 240)
  }
}
