import BaseSupport
import CNI
import Etcd
import EtcdSupport
import Kernel
import NetTypes
import PacketFilter
import PluginKit
import Services
import TestSupport
import Testing

@testable import service

/// A host of a network whose hosts share services; its number is part of its subnets.
private struct ServiceHost {
  let number: Int
  let store: FakeEtcd
  let directory: String
  let kernel: FakeKernel

  static func use(_ body: (ServiceHost, ServiceHost, FakeEtcd) throws -> Void) throws {
    try inTemporaryDirectory { directory in
      let store = FakeEtcd()
      try body(ServiceHost(1, store, directory), ServiceHost(2, store, directory), store)
    }
  }

  private init(_ number: Int, _ store: FakeEtcd, _ directory: String) {
    (self.number, self.store, self.directory) = (number, store, "\(directory)/\(number)")
    kernel = Fixture().kernel
  }

  static func owner(_ container: ContainerID) -> AttachmentID {
    AttachmentID(network: "net", container: container, interface: "eth0")
  }

  func config(_ keys: String) throws -> ServiceConfig {
    let text = #"""
      {"service":"web","vip":["10.1.255.250"],"ports":[{"port":80,"targetPort":8080},{"port":53,"protocol":"udp"}],
       "etcd":{"endpoints":"http://127.0.0.1:1","node":"host\#(number)"}}
      """#
    let members = try CNIJSON.decodeValue(Array(keys.utf8)).object ?? [:]
    var all = try CNIJSON.decodeValue(Array(text.utf8)).object ?? [:]
    for (key, value) in members { all[key] = value }
    return try ServiceConfig(JSONReader(.object(all)))
  }

  var plugin: ServicePlugin<FakeKernel, FakeEtcd> {
    ServicePlugin(connect: { (_) throws(CNIError) in store }, state: directory) { [kernel] () throws(KernelError) in
      kernel
    }
  }

  /// ADD or CHECK of a container with the address `10.1.HOST.LAST`.
  func call(_ container: ContainerID, _ last: Int, _ keys: String = "{}") throws -> Call<ServiceConfig> {
    let address = try #require(IPPrefix("10.1.\(number).\(last)/24"))
    let previous = AddResult(
      interfaces: [.init(name: "cni0"), .init(name: "eth0", sandbox: "/run/netns/c")],
      ips: [.init(interface: 1, address: address)])
    return Call(
      owner: Self.owner(container), namespacePath: "/run/netns/c", config: try config(keys), previous: previous,
      delegates: FakeDelegate(type: nil).delegates)
  }

  func add(_ container: ContainerID, _ last: Int, _ keys: String = "{}") throws {
    try plugin.add(call(container, last, keys)) { (_) throws(CNIError) in }
  }

  func delete(_ container: ContainerID, _ keys: String = "{}") throws {
    try plugin.delete(
      Removal(
        owner: Self.owner(container), namespacePath: nil, config: config(keys),
        delegates: FakeDelegate(type: nil).delegates))
  }

  func refresh() throws -> Bool {
    var store = store, kernel = kernel
    let config = try #require(try config("{}").etcd)
    return try SharedServices(config, of: "net", state: directory, warn: { _ in }).refresh(from: &store, &kernel)
  }

  func far() throws -> [BackEnd] {
    try kernel.filter.ruleSet(of: .farBackEnds(of: "net"), .services)?.backEnds ?? []
  }

  /// Their addresses and ports.
  func farTargets() throws -> [String] { try far().map { $0.target.withPort($0.targetPort) } }
}

/// Services that hosts share through etcd.
@Suite struct ServiceEtcdTests {
  private func expect(_ code: CNIError.Code, _ text: String = "", _ body: () throws -> Void) {
    let error = #expect(throws: CNIError.self) { try body() }
    #expect(error?.code == code && error?.message.contains(text) == true, "\(error as Any)")
  }

  @Test func `ADD publishes the container, and adds rules for those of other hosts`() throws {
    try ServiceHost.use { first, second, store in
      try first.add("a", 2)
      #expect(try first.far() == [])
      try second.add("b", 3, #"{"weight":5}"#)
      var wanted = BackEnd(
        of: "web", "10.1.255.250", .tcp, 80, .random, to: "10.1.1.2", 8080, in: "10.1.2.0/24", weight: 1)
      wanted.isFar = true
      #expect(try second.far().first == wanted)
      #expect(try second.farTargets() == ["10.1.1.2:8080", "10.1.1.2:53"])
      #expect(Set(store.pairs.map(\.key)) == ["/swift-cni/services/net/a:eth0", "/swift-cni/services/net/b:eth0"])
      #expect(store.texts.values.allSatisfy { !$0.contains("\"lo\"") }, "links are this host's own")
      #expect(try first.refresh())
      #expect(try first.farTargets() == ["10.1.2.3:8080", "10.1.2.3:53"])
      #expect(try first.far().map(\.weight) == [5, 5])
      #expect(try !first.refresh())
      try first.plugin.check(first.call("a", 2))
    }
  }

  @Test func `containers of another host go at the next ADD, DEL or refresh after they left or their lease ended`()
    throws
  {
    try ServiceHost.use { first, second, store in
      try first.add("a", 2)
      for (name, last) in [("b", 3), ("c", 4)] { try second.add(#require(ContainerID(name)), last) }
      try first.add("d", 5)
      #expect(try first.farTargets().filter { $0.hasSuffix(":53") } == ["10.1.2.3:53", "10.1.2.4:53"])
      try second.delete("b")
      try first.delete("d")
      #expect(try first.farTargets() == ["10.1.2.4:8080", "10.1.2.4:53"])
      #expect(
        first.kernel.applied.contains {
          if case .deleteConntrackEntries(let all) = $0 { all.contains { $0.target == "10.1.2.3" } } else { false }
        })
      store.pass(seconds: 90000)
      #expect(try first.refresh())
      #expect(try first.far() == [])
      #expect(store.pairs.map(\.key) == ["/swift-cni/services/net/a:eth0"])
      #expect(try second.refresh())
      #expect(store.pairs.count == 2)
    }
  }

  @Test func `the last container removes the rules for other hosts, also by GC and without etcd or a configuration`()
    throws
  {
    try ServiceHost.use { first, second, store in
      try first.add("a", 2)
      try second.add("b", 3)
      try second.add("c", 4)
      try second.delete("c")
      #expect(try second.farTargets().count == 2)
      store.next(.noQuorum)
      expect(.tryAgainLater) { try second.delete("b") }
      #expect(second.kernel.filter.ruleSets.isEmpty)
      try second.delete("b")
      #expect(store.pairs.count == 1)
      try second.add("b", 3)
      try second.plugin.delete(
        Removal(
          owner: ServiceHost.owner("b"), namespacePath: nil, config: nil, delegates: FakeDelegate(type: nil).delegates))
      #expect(second.kernel.filter.ruleSets.isEmpty)
      try second.add("c", 4)
      for valid in [["c"], []] {
        let attachments = try valid.map {
          ValidAttachments.Attachment(containerID: try #require(ContainerID($0)), ifname: "eth0")
        }
        let network = NetworkCall(
          name: "net", config: try second.config("{}"), delegates: FakeDelegate(type: nil).delegates)
        store.next(.noQuorum)
        expect(.tryAgainLater) { try second.plugin.collectGarbage(network, valid: Set(attachments)) }
        #expect(try second.farTargets().count == 2 * valid.count)
        try second.plugin.collectGarbage(network, valid: Set(attachments))
        #expect(store.pairs.map(\.key) == (["a"] + valid).map { "/swift-cni/services/net/\($0):eth0" })
        #expect(try second.farTargets().count == 2 * valid.count)
      }
      #expect(second.kernel.filter.ruleSets.isEmpty)
    }
  }

  @Test(arguments: [
    (#"{"scheduler":"source"}"#, "scheduler source"), (#"{"vip":["10.1.255.251"]}"#, "vip 10.1.255.251"),
    (#"{"service":"db"}"#, #"service "web" on host host1"#),
  ])
  func `a service that another host has with other values is refused, and nothing stays`(keys: String, text: String)
    throws
  {
    try ServiceHost.use { first, second, store in
      try first.add("a", 2)
      let texts = store.texts, state = second.kernel.state
      expect(.tryAgainLater, text) { try second.add("b", 3, keys) }
      #expect(store.texts == texts)
      #expect(second.kernel.filter.ruleSets.isEmpty)
      #expect(second.kernel.state == state)
    }
  }

  @Test func `hosts that have the same subnet are refused`() throws {
    try ServiceHost.use { first, second, store in
      try first.add("a", 2)
      var call = try second.call("b", 3)
      call.previous?.ips[0].address = "10.1.1.3/24"
      expect(.tryAgainLater, "want a subnet for each host") {
        try second.plugin.add(call) { (_) throws(CNIError) in }
      }
      #expect(store.pairs.count == 1)
    }
  }

  @Test(arguments: [[FakeEtcd.Fate.noQuorum], [.asUsual, .noQuorum], [.asUsual, .answerLost]])
  func `an ADD without an answer of etcd changes nothing`(fates: [FakeEtcd.Fate]) throws {
    try ServiceHost.use { first, second, store in
      try first.add("a", 2)
      try second.add("c", 4)
      let (texts, ruleSets) = (store.texts, second.kernel.filter.ruleSets)
      store.next(fates)
      expect(.tryAgainLater) { try second.add("b", 3) }
      #expect(store.texts == texts)
      #expect(second.kernel.filter.ruleSets == ruleSets)
    }
  }

  @Test func `an ADD whose result cannot be written leaves nothing here, and with etcd no key either`() throws {
    try ServiceHost.use { first, second, store in
      try first.add("a", 2)
      let refused = CNIError(.ioFailure, "output is closed")
      for fates in [[FakeEtcd.Fate.asUsual, .asUsual], [.asUsual, .asUsual, .noQuorum]] {
        store.next(fates)
        #expect(throws: refused) {
          try second.plugin.add(second.call("b", 3)) { (_) throws(CNIError) in
            #expect(second.kernel.filter.ruleSets.count == 2)
            throw refused
          }
        }
        #expect(second.kernel.filter.ruleSets.isEmpty)
        #expect(store.pairs.count == fates.count - 1)
      }
    }
  }

  @Test func `a key that etcd wrote after its ADD was refused goes with the next refresh`() throws {
    try ServiceHost.use { first, second, store in
      try first.add("a", 2)
      try second.add("b", 3)
      let late = "/swift-cni/services/net/late:eth0"
      try store.put(late, #require(store.texts["/swift-cni/services/net/b:eth0"]))
      _ = try first.refresh()
      #expect(store.texts[late] != nil, "a host deletes only its own keys")
      _ = try second.refresh()
      #expect(store.pairs.map(\.key) == ["a", "b"].map { "/swift-cni/services/net/\($0):eth0" })
    }
  }

  @Test func `CHECK reports a missing key, STATUS that etcd does not answer`() throws {
    try ServiceHost.use { first, _, store in
      try first.add("a", 2)
      try store.delete(.prefixed("/"))
      expect(.differences, "/swift-cni/services/net/a:eth0 is missing") { try first.plugin.check(first.call("a", 2)) }
      let network = NetworkCall(
        name: "net", config: try first.config("{}"), delegates: FakeDelegate(type: nil).delegates)
      try first.plugin.status(network)
      store.next(.noQuorum)
      expect(.notAvailable) { try first.plugin.status(network) }
    }
  }

  @Test func `back-ends that contradict this host's, and those of moved containers, are left out`() throws {
    try ServiceHost.use { first, _, store in
      try first.add("a", 2)
      let value = try #require(store.texts.values.first)
      for (name, old, new) in [
        ("same", "", ""), ("other", "random", "source"), ("stranger", #""web""#, #""db""#), ("moved", "", ""),
      ] {
        var text = value.replacing("host1", with: "host2")
        if name != "moved" { text = text.replacing("10.1.1.", with: name == "same" ? "10.1.3." : "10.1.4.") }
        if !old.isEmpty { text = text.replacing(old, with: new) }
        try store.put("/swift-cni/services/net/\(name):eth0", text)
      }
      _ = try first.refresh()
      #expect(try first.farTargets() == ["10.1.3.2:8080", "10.1.3.2:53"])
    }
  }
}
