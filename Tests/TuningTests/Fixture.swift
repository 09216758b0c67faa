import CNI
import Foundation
import Kernel
import NetTypes
import PluginKit
import TestSupport
@testable import tuning

/// A container with an interface `eth0` of a network called "net", and a directory for backups.
struct Fixture {
  let kernel = FakeKernel()
  let owner: AttachmentID
  let directory: String
  /// The number of times that the plugin opened the kernel.
  let openings = Counter()

  final class Counter { var count = 0 }

  /// Runs `body` with a new fixture; its files are removed afterwards.
  @discardableResult
  static func use<Value>(_ body: (Fixture) throws -> Value) throws -> Value {
    let url = FileManager.default.temporaryDirectory.appending(path: "tuning-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: url) }  // errors must not hide those of the test
    return try body(try Fixture(directory: url.path()))
  }

  private init(directory: String) throws {
    guard let network = NetworkName("net"), let container = ContainerID("c1") else { throw BadFixture() }
    owner = AttachmentID(network: network, container: container, interface: "eth0")
    self.directory = directory
    kernel.addLink("eth0", on: .container, kind: "veth")
    kernel.state.links[.container]?["eth0"]?.mac = "02:00:00:00:00:01"
    kernel.state.links[.container]?["eth0"]?.txQueueLength = 1000
    kernel.state.sysctls[.container] = [
      "net/ipv4/ip_forward": "0", "net/ipv4/conf/eth0/arp_notify": "0", "net/ipv4/conf/all/arp_notify": "0",
      "net/ipv4/ip_local_port_range": "32768\t60999",
    ]
  }

  var dataDir: String { "\(directory)/backups" }
  var allowListPath: String { "\(directory)/allowlist.conf" }

  var plugin: Tuning<FakeKernel> {
    Tuning(allowListPath: allowListPath) { [kernel, openings] _ throws(KernelError) in
      openings.count += 1
      return kernel
    }
  }

  /// The result of the plugin before this one.
  static let previous = AddResult(
    interfaces: [
      .init(name: "eth0"), .init(name: "eth0", mac: "02:00:00:00:00:01", mtu: 1500, sandbox: "/run/netns/c1"),
    ], ips: [.init(interface: 1, address: "10.1.0.5/24")])

  /// The configuration with `dataDir` added.
  func document(_ json: String) throws -> JSONValue {
    let value = try CNIJSON.decodeValue(Array(json.utf8))
    return .object((value.object ?? [:]).merging(["dataDir": .string(dataDir)]) { own, _ in own })
  }

  func config(_ json: String) throws -> TuningConfig { try TuningConfig(JSONReader(document(json))) }

  func call(
    _ json: String, arguments: String = "", previous: AddResult? = Fixture.previous
  ) throws -> Call<TuningConfig> {
    Call(
      owner: owner, namespacePath: "/run/netns/c1", argumentsText: arguments, config: try config(json),
      keys: try RuntimeKeys(JSONReader(document(json))), previous: previous, delegates: Self.noDelegates)
  }

  static var noDelegates: Delegates { Delegates(ipam: nil) { (_, _, _) throws(CNIError) in nil } }

  /// Runs ADD and returns its result.
  @discardableResult
  func add(_ json: String, arguments: String = "", previous: AddResult? = Fixture.previous) throws -> AddResult {
    var answer = AddResult()
    try plugin.add(call(json, arguments: arguments, previous: previous)) { (result) throws(CNIError) in
      answer = result
    }
    return answer
  }

  func delete(_ json: String? = "{}", network: NetworkName? = nil, namespacePath: String? = "/run/netns/c1") throws {
    var owner = owner
    owner.network = network ?? owner.network
    try plugin.delete(
      Removal(
        owner: owner, namespacePath: namespacePath, config: try json.map { try config($0) }, delegates: Self.noDelegates
      ))
  }

  /// The backups, by file name.
  func backups() throws -> [String: String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: dataDir)) ?? []
    return Dictionary(
      uniqueKeysWithValues: try names.map { ($0, try String(contentsOfFile: "\(dataDir)/\($0)", encoding: .utf8)) })
  }

  func writeBackup(_ name: String, _ text: String) throws {
    try FileManager.default.createDirectory(atPath: dataDir, withIntermediateDirectories: true)
    try text.write(toFile: "\(dataDir)/\(name)", atomically: false, encoding: .utf8)
  }

  /// Writes the administrator's list.
  func allow(_ list: String) throws {
    try list.write(toFile: allowListPath, atomically: false, encoding: .utf8)
  }
}

struct BadFixture: Error {}
