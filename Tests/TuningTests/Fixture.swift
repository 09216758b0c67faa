import BaseSupport
import CNI
import Foundation
import Kernel
import NetTypes
import PluginKit
import TestSupport
@testable import tuning

/// A container with an interface `eth0` of a network called "net", and a directory for backups.
struct Fixture: PluginFixture {
  let kernel = FakeKernel()
  var owner = AttachmentID.example
  let directory: String
  /// The number of times that the plugin opened the kernel.
  let openings = Counter()

  final class Counter { var count = 0 }

  /// Runs `body` with a new fixture; its files are removed afterwards.
  @discardableResult
  static func use<Value>(_ body: (Fixture) throws -> Value) throws -> Value {
    try inTemporaryDirectory { try body(Fixture(directory: $0)) }
  }

  private init(directory: String) {
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

  var delegates: Delegates { Delegates(ipam: nil) { (_, _, _) throws(CNIError) in nil } }

  func defaultPrevious(_ config: TuningConfig) -> AddResult? { Self.previous }

  /// The backups, by file name.
  func backups() throws -> [String: String] {
    Dictionary(
      uniqueKeysWithValues: try fileNames(dataDir).map {
        ($0, try String(contentsOfFile: "\(dataDir)/\($0)", encoding: .utf8))
      })
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
