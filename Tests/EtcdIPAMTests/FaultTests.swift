import CNI
import Etcd
import EtcdSupport
import IPAM
import Testing

@Suite struct FaultTests {
  @Test func `without a quorum nothing is written and no request is repeated`() throws {
    var bench = try Bench(dual)
    bench.etcd.next(.noQuorum)
    #expect(try bench.refusal("a") == CNIError(.tryAgainLater, "etcd: no quorum answers"))
    #expect(bench.etcd.requests.count == 1)
    #expect(bench.entries == [:])
  }

  @Test func `ADD recognises its own write after a lost answer`() throws {
    var bench = try Bench(dual)
    bench.etcd.next(.asUsual, .answerLost)
    let given = try bench.add("a")
    #expect(bench.leased == given.sorted())
    #expect(bench.names("attachments/") == ["n1/a:eth0"])
    try bench.delete("a")
    #expect(bench.entries == [:])
  }

  @Test func `ADD reports a write without an answer, and DEL releases the addresses`() throws {
    var bench = try Bench(dual)
    bench.etcd.next(.asUsual, .answerLost, .noQuorum)
    let error = try bench.refusal("a")
    #expect(error?.code == .tryAgainLater)
    #expect(error?.details == "etcd may still carry it out: DEL releases the addresses")
    #expect(bench.leased.count == 2)
    try bench.delete("a")
    #expect(bench.entries == [:])
  }

  @Test func `ADD takes another address if another host takes the first before the retry`() throws {
    for address in ["10.1.0.2", "10.1.0.3"] {
      var bench = try Bench(#""subnet": "10.1.0.0/29", "exclude": ["10.1.0.4-10.1.0.6"]"#)
      let rival = EtcdTransaction.Operation.put("/p/net/addresses/\(address)", [], lease: nil)
      bench.etcd.next(.asUsual, .noQuorum, .rival(EtcdTransaction([rival])))
      let other = address == "10.1.0.2" ? "10.1.0.3" : "10.1.0.2"
      #expect(try bench.add("a") == [other])
    }
  }

  /// Every way in which one request, or all requests from one on, can fail.
  static let faults: [(String, [FakeEtcd.Fate])] = (0..<4).flatMap { step -> [(String, [FakeEtcd.Fate])] in
    let refusal = FakeEtcd.Fate.refused(CNIError(.etcdRefused, "etcd: permission denied"))
    let fates: [(String, FakeEtcd.Fate)] = [
      ("no quorum", .noQuorum), ("answer lost", .answerLost), ("refused", refusal),
    ]
    return fates.flatMap { name, fate in
      [
        ("\(name) once", times(step, .asUsual) + [fate]),
        ("\(name) from then on", times(step, .asUsual) + times(40, fate)),
      ]
      .map { ("step \(step): \($0.0)", $0.1) }
    }
  }

  @Test(arguments: faults.indices, [nil, 8])
  func `after any fault ADD has all its addresses or none, and DEL removes everything`(
    number: Int, blockSize: Int?
  ) throws {
    var bench = try Bench(dual, blockSize: blockSize)
    bench.etcd = FakeEtcd()
    let (name, fates) = Self.faults[number]
    bench.etcd.next(fates)
    do {
      let given = try bench.add("a")
      #expect(bench.leased == given.sorted(), "\(name)")
    } catch let error as CNIError {
      #expect([.tryAgainLater, .etcdRefused].contains(error.code), "\(name)")
      if !error.details.contains("DEL releases the addresses") { #expect(bench.leased == [], "\(name)") }
    }
    #expect([0, 2].contains(bench.leased.count), "\(name)")
    bench.etcd.next()
    try bench.delete("a")
    #expect(bench.leased == [])
    #expect(bench.names("attachments/") == [])
  }

  @Test(arguments: faults.indices)
  func `after any fault a repeated DEL removes all its own keys and no others`(number: Int) throws {
    var bench = try Bench(dual)
    let other = try bench.add("b")
    _ = try bench.add("a")
    bench.etcd.next(Self.faults[number].1)
    do { try bench.delete("a") } catch let error as CNIError {
      #expect([.tryAgainLater, .etcdRefused].contains(error.code))
      #expect([2, 4].contains(bench.leased.count))
    }
    bench.etcd.next()
    try bench.delete("a")
    #expect(bench.leased == other.sorted())
    #expect(bench.names("attachments/") == ["n1/b:eth0"])
  }
}
