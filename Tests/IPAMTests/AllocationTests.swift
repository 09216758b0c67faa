import CNI
import IPAM
import NetTypes
import Testing

func owner(_ container: String, _ interface: String = "eth0") throws -> AttachmentID {
  try AttachmentID(
    network: #require(NetworkName("net")), container: #require(ContainerID(container)),
    interface: #require(InterfaceName(interface)))
}

func request(
  _ container: String, _ text: String = #""subnet": "10.1.0.0/29""#, wanted: [String] = [], name: String? = nil
) throws -> AddressRequest {
  AddressRequest(
    owner: try owner(container), namespacePath: "/run/netns/\(container)", sets: try sets(text),
    requested: try wanted.map(address), stickyName: name.map { StickyName(container: $0, interface: "eth0") })
}

extension FakeLeaseStore {
  /// Runs ADD and returns the addresses that it gets.
  mutating func add(_ request: AddressRequest) throws(CNIError) -> [String] {
    try allocate(request).map(\.address.description)
  }

  /// The error of an ADD, which must fail.
  mutating func refusal(_ request: AddressRequest) -> CNIError? {
    do throws(CNIError) {
      _ = try allocate(request)
      return nil
    } catch {
      return error
    }
  }
}

private let dual = #""ranges": [[{"subnet": "10.1.0.0/29"}], [{"subnet": "fd00::/125"}]]"#

@Suite struct AllocationTests {
  @Test func `allocation continues after the last address and wraps around`() throws {
    var store = FakeLeaseStore()
    var given: [String] = []
    for container in ["a", "b", "c"] { given += try store.add(request(container)) }
    try store.release(address("10.1.0.2"))
    for container in ["d", "e", "f"] { given += try store.add(request(container)) }
    #expect(given == ["10.1.0.2", "10.1.0.3", "10.1.0.4", "10.1.0.5", "10.1.0.6", "10.1.0.2"])
  }

  @Test func `allocation continues in the next range and wraps around`() throws {
    var store = FakeLeaseStore()
    let text = #"""
      "ranges": [[{"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.5", "rangeEnd": "10.1.0.6"},
        {"subnet": "10.2.0.0/24", "rangeStart": "10.2.0.1", "rangeEnd": "10.2.0.2"}]]
      """#
    store.last[0] = try address("10.1.0.6")
    var given: [String] = []
    for container in ["a", "b", "c"] { given += try store.add(request(container, text)) }
    #expect(given == ["10.2.0.2", "10.1.0.5", "10.1.0.6"])
  }

  @Test(arguments: ["10.9.0.1", "fd00::1", "10.1.0.1", "10.1.0.6"])
  func `allocation starts at the first address if the last one is outside the ranges`(last: String) throws {
    var store = FakeLeaseStore()
    store.last[0] = try address(last)
    #expect(try store.add(request("a")) == ["10.1.0.2"])
  }

  @Test func `an attachment gets one address from each range set`() throws {
    var store = FakeLeaseStore()
    let result = try store.allocate(request("a", dual)).compactMap(\.ip)
    #expect(
      try result == [
        AddResult.IP(address: prefix("10.1.0.2/29"), gateway: address("10.1.0.1")),
        AddResult.IP(address: prefix("fd00::2/125"), gateway: address("fd00::1")),
      ])
    #expect(try store.last == [0: address("10.1.0.2"), 1: address("fd00::2")])
  }

  @Test func `a second ADD of an attachment is refused`() throws {
    var store = FakeLeaseStore()
    _ = try store.add(request("a"))
    #expect(
      try store.refusal(request("a", wanted: ["10.1.0.5"]))
        == CNIError(
          .alreadyAttached,
          "10.1.0.2 has been allocated to container a (eth0), duplicate allocation is not allowed",
          details: "network net"))
    #expect(store.leases.count == 1)
  }

  @Test func `the error of an exhausted pool has its size`() throws {
    var store = FakeLeaseStore()
    for container in ["a", "b", "c", "d", "e"] { _ = try store.add(request(container)) }
    #expect(
      try store.refusal(request("f"))
        == CNIError(
          .poolExhausted, "no IP addresses available in range set 10.1.0.1-10.1.0.6: 0 of 5 addresses free",
          details: "network net, ipam.subnet"))
  }

  @Test func `an exhausted second set leaves the first one unchanged`() throws {
    var store = FakeLeaseStore()
    store.leases = try [address("fd00::2"): LeaseHolder(owner("z"))]
    let text =
      #""ranges": [[{"subnet": "10.1.0.0/29"}], [{"subnet": "fd00::/125", "rangeStart": "fd00::2", "rangeEnd": "fd00::2"}]]"#
    #expect(try store.refusal(request("a", text))?.code == .poolExhausted)
    #expect(try store.leases.keys.sorted() == [address("fd00::2")])
  }

  @Test func `leases of dead containers are reused only if no other address is free`() throws {
    var store = FakeLeaseStore()
    for container in ["a", "b", "c", "d"] { _ = try store.add(request(container)) }
    store.dead = try [address("10.1.0.3"), address("10.1.0.4")]
    #expect(try store.add(request("e")) == ["10.1.0.6"])
    #expect(store.leases.count == 5)
    #expect(try store.add(request("f")) == ["10.1.0.3"])
    #expect(try store.holder(of: address("10.1.0.4")) == nil)
  }

  @Test func `requested addresses are assigned, and any address from the other sets`() throws {
    var store = FakeLeaseStore()
    #expect(try store.add(request("a", dual, wanted: ["fd00::5"])) == ["10.1.0.2", "fd00::5"])
    #expect(try store.add(request("b", dual, wanted: ["fd00::6", "10.1.0.5", "10.1.0.5"])) == ["10.1.0.5", "fd00::6"])
  }

  @Test func `a requested address is taken from a dead container`() throws {
    var store = FakeLeaseStore()
    _ = try store.add(request("a"))
    store.dead = try [address("10.1.0.2")]
    #expect(try store.add(request("b", wanted: ["10.1.0.2"])) == ["10.1.0.2"])
  }

  @Test(
    arguments: [
      ([], "10.1.0.1", "it is the subnet's gateway"),
      ([], "10.2.0.1", "in none of the ranges 10.1.0.1-10.1.0.6; fd00::1-fd00::7"),
      ([], "10.1.0.7", "in none of the ranges 10.1.0.1-10.1.0.6; fd00::1-fd00::7"),
      ([], "10.1.0.4", "it is excluded in range set 10.1.0.1-10.1.0.6"),
      (["10.1.0.3"], "10.1.0.5", "range set 10.1.0.1-10.1.0.6 gives one address and 10.1.0.3 is requested too"),
      (["fd00::3"], "10.1.0.2", "it is leased to container z (eth0)"),
    ] as [([String], String, String)])
  func `nothing is leased if a requested address is not available`(others: [String], text: String, why: String) throws {
    var store = FakeLeaseStore()
    store.leases = try [address("10.1.0.2"): LeaseHolder(owner("z"))]
    let addressRequest = try request("a", dual + #", "exclude": ["10.1.0.4"]"#, wanted: others + [text])
    #expect(
      store.refusal(addressRequest)
        == CNIError(.addressUnavailable, "requested IP address \(text) is not available: \(why)"))
    #expect(store.leases.count == 1)
  }

  @Test func `the broadcast address is not leased even if a range ends with it`() throws {
    let text = #""subnet": "10.1.0.0/29", "rangeStart": "10.1.0.6", "rangeEnd": "10.1.0.7""#
    var store = FakeLeaseStore()
    #expect(
      try store.refusal(request("a", text, wanted: ["10.1.0.7"]))
        == CNIError.unavailable(address("10.1.0.7"), "it is the subnet's broadcast address"))
    #expect(try store.add(request("a", text)) == ["10.1.0.6"])
    #expect(try store.refusal(request("b", text))?.code == .poolExhausted)
  }

  @Test func `the next address is tried if another process took the first one`() throws {
    var store = FakeLeaseStore()
    store.unseen = try [address("10.1.0.2"): LeaseHolder(owner("z"))]
    #expect(try store.add(request("a")) == ["10.1.0.3"])
    store.unseen = try [address("10.1.0.4"): LeaseHolder(owner("y"))]
    #expect(try store.refusal(request("b", wanted: ["10.1.0.4"]))?.code == .addressUnavailable)
  }

  @Test func `a name keeps its address, and other names get it last`() throws {
    var store = FakeLeaseStore()
    #expect(try store.add(request("a", name: "db")) == ["10.1.0.2"])
    try store.release(address("10.1.0.2"))
    var others: [String] = []
    for container in ["b", "c", "d", "e"] { others += try store.add(request(container, name: container)) }
    #expect(others == ["10.1.0.3", "10.1.0.4", "10.1.0.5", "10.1.0.6"])
    #expect(try store.add(request("f", name: "db")) == ["10.1.0.2"])
    try store.release(address("10.1.0.2"))
    #expect(try store.add(request("g", name: "web")) == ["10.1.0.2"])
    try store.release(address("10.1.0.2"))
    try store.release(address("10.1.0.4"))
    #expect(try store.add(request("h", name: "db")) == ["10.1.0.4"])
  }

  /// Each call of the lease store fails, once or from then on; only leases that cannot be removed may stay.
  @Test(arguments: [true, false])
  func `a failure at any step leaves no lease`(failsOnlyOnce: Bool) throws {
    let addressRequest = try request("a", dual, wanted: ["fd00::5"], name: "db")
    var clean = FakeLeaseStore()
    _ = try clean.allocate(addressRequest)
    #expect(clean.calls >= 9)
    for call in 1...clean.calls {
      var store = FakeLeaseStore()
      store.failingCall = call
      store.failsOnlyOnce = failsOnlyOnce
      let error = store.refusal(addressRequest)
      #expect(error?.code == .leaseStore, "call \(call)")
      let released = failsOnlyOnce ? [] : store.leases.keys.map { _ in FakeLeaseStore.failure.message }
      #expect(error?.message == ([FakeLeaseStore.failure.message] + released).joined(separator: "; "), "call \(call)")
      if failsOnlyOnce { #expect(store.leases == [:], "call \(call)") }
      #expect(store.names == [:], "call \(call)")
    }
  }

  @Test func `range sets without free addresses are named`() throws {
    var store = FakeLeaseStore()
    let both = try sets(dual)
    for container in ["a", "b", "c", "d", "e"] { _ = try store.add(request(container)) }
    #expect(try store.exhausted(both).map(\.key) == ["ipam.ranges[0]"])
    store.dead = try [address("10.1.0.3")]
    #expect(try store.exhausted(both) == [])
  }
}
