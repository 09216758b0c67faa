import CNI
import Etcd
import EtcdSupport
import Foundation
import Names
import NetTypes
import PluginKit
import Testing
@testable import dns_hosts

/// Names that hosts exchange through etcd.
struct EtcdTests {
  private func config(_ node: String) -> String {
    #"{"etcd": {"endpoints": "http://127.0.0.1:1", "node": "\#(node)"}}"#
  }

  private func plugin(
    _ store: FakeEtcd, willChange: @escaping (String) throws(KernelError) -> Void = { _ throws(KernelError) in }
  ) -> DNSHosts {
    DNSHosts(willChange: willChange, connect: { (_) throws(CNIError) in store })
  }

  private func add(_ number: Int, on host: Fixture, _ node: String, _ store: FakeEtcd) throws {
    try plugin(store).add(host.call(number, config(node))) { (_) throws(CNIError) in }
  }

  private func delete(_ number: Int, on host: Fixture, _ node: String, _ store: FakeEtcd) throws {
    try plugin(store).delete(
      Removal(
        owner: Fixture.owner(number), namespacePath: nil, config: host.call(number, config(node)).config,
        delegates: Delegates(ipam: nil) { (_, _, _) throws(CNIError) in nil }))
  }

  /// Two hosts and their etcd cluster: container 1 is on host `a`, container 2 on host `b`.
  private func use(_ body: (Fixture, Fixture, FakeEtcd) throws -> Void) throws {
    try Fixture.use { hostA in
      try Fixture.use { hostB in
        let store = FakeEtcd()
        try add(1, on: hostA, "a", store)
        try add(2, on: hostB, "b", store)
        try body(hostA, hostB, store)
      }
    }
  }

  @Test func `ADD writes the names of containers on other hosts and removes those that are gone`() throws {
    try use { hostA, hostB, store in
      #expect(hostB.names(of: "10.1.0.1", in: 2) == ["c1", "c1.net"])
      #expect(hostA.names(of: "10.1.0.2", in: 1) == [])
      try add(3, on: hostA, "a", store)
      for number in [1, 3] { #expect(hostA.names(of: "10.1.0.2", in: number) == ["c2", "c2.net"]) }
      for number in [1, 3] { try plugin(store).check(hostA.call(number, config("a"))) }
      try delete(2, on: hostB, "b", store)
      #expect(hostB.files.filter { !$0.hasSuffix(".lease") } == [])
      try add(4, on: hostA, "a", store)
      for number in [1, 3, 4] { #expect(hostA.names(of: "10.1.0.2", in: number) == []) }
    }
  }

  @Test func `without a quorum an ADD changes nothing`() throws {
    try use { hostA, _, store in
      let (files, texts) = (hostA.files, store.texts)
      store.next(.noQuorum)
      let error = #expect(throws: CNIError.self) { try add(3, on: hostA, "a", store) }
      #expect(error?.code == .tryAgainLater)
      #expect(hostA.files == files)
      #expect(hostA.names(of: "10.1.0.3", in: 1) == [])
      #expect(store.texts == texts)
    }
  }

  @Test(arguments: [FakeEtcd.Fate.noQuorum, .answerLost])
  func `ADD rolls back here and in etcd if etcd does not answer a later request`(fate: FakeEtcd.Fate) throws {
    try use { hostA, _, store in
      let (files, texts) = (hostA.files, store.texts)
      store.next(.asUsual, fate)
      #expect(throws: CNIError.self) { try add(3, on: hostA, "a", store) }
      #expect(hostA.files == files)
      #expect(hostA.names(of: "10.1.0.3", in: 1) == [])
      #expect(store.texts == texts)
    }
  }

  @Test func `an ADD that fails at any step is rolled back here and in etcd`() throws {
    try use { hostA, _, store in
      try add(4, on: hostA, "a", store)
      let (files, texts) = (hostA.files, store.texts)
      var steps = 0
      while true {
        steps += 1
        var left = steps
        let failing = plugin(store) { (what) throws(KernelError) in
          left -= 1
          if left == 0 { throw KernelError(what, errno: .EIO, reason: "as the test wants") }
        }
        let call = try hostA.call(3, config("a"))
        do throws(CNIError) { try failing.add(call) { (_) throws(CNIError) in } } catch {
          #expect(hostA.files == files, "step \(steps)")
          #expect(store.texts == texts, "step \(steps)")
          continue
        }
        break
      }
      #expect(steps > 5)
      let refused = CNIError(.ioFailure, "output is closed")
      try delete(3, on: hostA, "a", store)
      #expect(throws: refused) {
        try plugin(store).add(hostA.call(3, config("a"))) { (_) throws(CNIError) in throw refused }
      }
      #expect(store.texts == texts)
    }
  }

  @Test func `DEL cleans up here if etcd does not answer, and can be repeated`() throws {
    try use { hostA, _, store in
      store.next(.noQuorum)
      let error = #expect(throws: CNIError.self) { try delete(1, on: hostA, "a", store) }
      #expect(error?.code == .tryAgainLater)
      #expect(hostA.files.filter { !$0.hasSuffix(".lease") } == [])
      #expect(store.pairs.count == 2)
      for _ in 1...2 { try delete(1, on: hostA, "a", store) }
      #expect(store.pairs.map(\.key) == ["/swift-cni/names/net/c2:eth0"])
    }
  }

  @Test func `GC removes this host's names in etcd of containers that are not valid`() throws {
    try use { hostA, _, store in
      try add(3, on: hostA, "a", store)
      let valid = try Fixture.owner(3)
      try plugin(store).collectGarbage(
        hostA.network(config("a")), valid: [.init(containerID: valid.container, ifname: valid.interface)])
      #expect(store.pairs.map(\.key) == ["/swift-cni/names/net/c2:eth0", "/swift-cni/names/net/c3:eth0"])
    }
  }

  @Test func `CHECK and STATUS report problems with etcd`() throws {
    try use { hostA, _, store in
      try plugin(store).check(hostA.call(1, config("a")))
      try store.delete(.one("/swift-cni/names/net/c1:eth0"))
      let missing = #expect(throws: CNIError.self) { try plugin(store).check(hostA.call(1, config("a"))) }
      #expect(missing?.code == .differences)
      #expect(missing?.message.contains("etcd: /swift-cni/names/net/c1:eth0 is missing") == true)
      try plugin(store).status(hostA.network(config("a")))
      store.next(.noQuorum)
      let silent = #expect(throws: CNIError.self) { try plugin(store).status(hostA.network(config("a"))) }
      #expect(silent?.code == .notAvailable)
    }
  }

  @Test func `a network that no longer uses etcd removes the names of other hosts`() throws {
    try use { _, hostB, store in
      try hostB.add(5)
      #expect(hostB.names(of: "10.1.0.1", in: 2) == [])
      #expect(hostB.names(of: "10.1.0.5", in: 2) == ["c5", "c5.net"])
    }
  }
}
