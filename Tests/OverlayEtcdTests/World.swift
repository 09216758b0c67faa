import CNI
import Etcd
import EtcdSupport
import Foundation
import NetTypes
import Synchronization
@testable import Overlay

/// Hosts with a common etcd cluster in memory and a common clock.
final class World: Sendable {
  let store: FakeEtcd
  let directory: String
  let plane: EtcdPlaneConfig
  private let time = Mutex(1_000_000)
  private let lines = Mutex<[String]>([])

  private init(batches: Bool = false) throws {
    store = FakeEtcd(batches: batches)
    directory = "\(NSTemporaryDirectory())overlay-\(UInt32.random(in: 0 ... .max))"
    plane = try EtcdPlaneConfig(JSONReader(.object(["endpoints": .array(["http://127.0.0.1:2379"])])))
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
  }

  /// With `batches` a watch passes all waiting events at once.
  static func use(batches: Bool = false, _ body: (World) throws -> Void) throws {
    let world = try World(batches: batches)
    defer { world.remove() }
    try body(world)
  }

  /// A world for `async` tests, which must remove it themselves.
  static func lasting() throws -> World { try World() }

  func remove() { try? FileManager.default.removeItem(atPath: directory) }

  var warnings: [String] { lines.withLock { $0 } }

  func pass(seconds: Int) {
    time.withLock { $0 += seconds }
    store.pass(seconds: seconds)
  }

  /// Lets time pass for the hosts but not for etcd.
  func passUnseen(seconds: Int) { time.withLock { $0 += seconds } }

  func disk(_ host: String) -> OverlayRecords {
    OverlayRecords(state: "\(directory)/\(host)/state", run: "\(directory)/\(host)/run")
  }

  func control(_ host: String) -> EtcdControlPlane<FakeEtcd> {
    let store = store
    return EtcdControlPlane(
      disk(host), now: { self.time.withLock { $0 } }, random: { $0.lowerBound },
      warn: { line in self.lines.withLock { $0.append(line) } },
      open: { (_) throws(CNIError) in store })
  }

  func json(_ key: String) throws -> JSONValue? {
    try store.texts[key].map { try CNIJSON.decodeValue(Array($0.utf8)) }
  }
}

let prefix = "/coreos.com/network"
let configKey = "\(prefix)/config"
let net: NetworkName = parsed("cluster")
let one = OverlayHost(.l3, local: parsed("192.0.2.1"))
let two = OverlayHost(.l3, local: parsed("192.0.2.2"))
let flannelConfig = #"{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","VNI":7,"Port":4789,"DirectRouting":true}}"#

func prefixes(_ texts: String...) -> [IPPrefix] { texts.compactMap { IPPrefix($0) } }

/// Parses a text of a test.
func parsed<Value: TextCodable>(_ text: String) -> Value {
  guard let value = Value(text) else { preconditionFailure("\(text): want \(Value.expectedForm)") }
  return value
}

extension EtcdControlPlane where Store: ~Copyable {
  /// Consults etcd and ignores warnings.
  func consult(
    _ plane: EtcdPlaneConfig, of network: NetworkName, as host: OverlayHost, for command: Command
  ) throws(CNIError) -> ControlPlaneState {
    try consult(plane, of: network, as: host, for: command) { (_) throws(CNIError) in }
  }
}
