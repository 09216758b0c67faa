import CNI
import Etcd
import EtcdSupport
import IPAM
import NetTypes
import Testing

/// Requested addresses, free and leased.
@Suite struct RequestedAddressTests {
  @Test func `ADD returns the requested address and any address of the other set`() throws {
    var bench = try Bench(dual)
    let given = try bench.add("a", wanted: ["fd00::77"])
    #expect(given.count == 2)
    #expect(given.last == "fd00::77")
    #expect(bench.etcd.requests.count == 2)
  }

  @Test func `a leased address is refused, and the error names its holder and host`() throws {
    var bench = try Bench(dual)
    _ = try bench.add("a", on: "n2", wanted: ["10.1.0.9"])
    let before = bench.entries
    #expect(
      try bench.refusal("b", wanted: ["10.1.0.9"])
        == CNIError(
          .addressUnavailable,
          "requested IP address 10.1.0.9 is not available: it is leased to container a (eth0) on n2"))
    #expect(bench.entries == before)
  }

  @Test func `a holder that takes the address during ADD is named too`() throws {
    var bench = try Bench(dual)
    let holder = #"{"attempt":"x","container":"z","interface":"eth0","node":"n9"}"#
    let put = EtcdTransaction.Operation.put("/p/net/addresses/10.1.0.9", Array(holder.utf8), lease: nil)
    bench.etcd.next(.asUsual, .rival(EtcdTransaction([put])))
    #expect(
      try bench.refusal("b", wanted: ["10.1.0.9"])?.message
        == "requested IP address 10.1.0.9 is not available: it is leased to container z (eth0) on n9")
  }

  @Test func `a key with unknown content is named`() throws {
    var bench = try Bench(dual)
    try bench.etcd.put("/p/net/addresses/10.1.0.9", "mine")
    #expect(
      try bench.refusal("b", wanted: ["10.1.0.9"])?.message
        == "requested IP address 10.1.0.9 is not available: key /p/net/addresses/10.1.0.9 of etcd has the value of another program"
    )
    try bench.etcd.put("/p/net/attachments/n1/b:eth0", "mine")
    let error = try bench.refusal("b")
    #expect(error?.code == .etcdRefused)
    #expect(
      error?.message
        == "read key /p/net/attachments/n1/b:eth0 of etcd: want a value that ipam-etcd wrote: not valid JSON")
  }

  @Test(arguments: [
    ("10.1.0.1", "it is the subnet's gateway"), ("10.1.0.200", "it is excluded in range set 10.1.0.1-10.1.0.254"),
    ("10.9.0.1", "in none of the ranges 10.1.0.1-10.1.0.254"),
  ])
  func `an address that cannot be leased is refused without a request to etcd`(address: String, why: String) throws {
    var bench = try Bench(#""subnet": "10.1.0.0/24", "exclude": ["10.1.0.200"]"#)
    #expect(
      try bench.refusal("a", wanted: [address])
        == CNIError(.addressUnavailable, "requested IP address \(address) is not available: \(why)"))
    #expect(bench.etcd.requests == [])
  }

  @Test func `CHECK finds only addresses that are still leased to the attachment`() throws {
    var bench = try Bench(dual)
    let given = try bench.add("a").compactMap(IPAddress.init)
    var table = try bench.table()
    #expect(try table.addresses(of: owner("a"), resultAddresses: given) == given)
    #expect(try table.addresses(of: owner("b"), resultAddresses: given) == [])
    try bench.etcd.put(
      "/p/net/addresses/\(given[0])", #"{"attempt":"x","container":"a","interface":"eth0","node":"n1"}"#)
    #expect(try table.addresses(of: owner("a"), resultAddresses: given) == [given[1]])
    try bench.etcd.delete(.one("/p/net/addresses/\(given[1])"))
    #expect(try table.addresses(of: owner("a"), resultAddresses: given) == [])
  }
}
