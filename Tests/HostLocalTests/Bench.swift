import CNI
import Foundation
@testable import IPAM
import Kernel
import NetTypes
import PluginKit
import TestSupport
import Testing

/// The plugin in this process, on a fake kernel and real files.
struct Bench {
  var directory: String
  let kernel = FakeKernel()

  var plugin: HostLocal<FakeKernel, LeaseDirectory> {
    let (kernel, index) = (Shared(kernel), "\(directory).index")
    return HostLocal(
      on: { _ in kernel.value },
      leases: { (dataDir, network, createIfMissing) throws(CNIError) in
        try LeaseDirectory.open(
          dataDir: dataDir, network: network, createIfMissing: createIfMissing, indexDirectory: index)
      }, subnets: SubnetRecords.subnet, text: fileText)
  }

  func config(_ text: String, more: String = "") throws -> [UInt8] {
    let json = #"{"cniVersion": "1.1.0", "name": "net", \#(more) "ipam": {"dataDir": "\#(directory)", \#(text)}}"#
    return Array(json.utf8)
  }

  func call(
    _ container: String, _ text: String, more: String = "", network: String = "net", arguments: String = ""
  ) throws -> Call<HostLocalConfig> {
    let bytes = try config(text, more: more)
    return Call(
      owner: try owner(container, network), namespacePath: "/dev/null", argumentsText: arguments,
      config: try CNIJSON.decode(HostLocalConfig.self, from: bytes),
      keys: try CNIJSON.decode(RuntimeKeys.self, from: bytes), delegates: none)
  }

  /// Runs ADD and returns its result.
  func add(
    _ container: String, _ text: String, more: String = "", network: String = "net", arguments: String = ""
  ) throws -> AddResult {
    var answer: AddResult?
    try plugin.add(call(container, text, more: more, network: network, arguments: arguments)) { answer = $0 }
    return try #require(answer)
  }

  func delete(_ container: String, config: HostLocalConfig?) throws {
    try plugin.delete(Removal(owner: owner(container, "net"), namespacePath: nil, config: config, delegates: none))
  }

  func network(_ text: String) throws -> NetworkCall<HostLocalConfig> {
    let config = try CNIJSON.decode(HostLocalConfig.self, from: config(text))
    return NetworkCall(name: "net", config: config, delegates: none)
  }

  func owner(_ container: String, _ network: String) throws -> AttachmentID {
    try AttachmentID(
      network: #require(NetworkName(network)), container: #require(ContainerID(container)),
      interface: "eth0")
  }

  func route(_ text: String) throws {
    let name: InterfaceName = "eth0"
    kernel.state.routes.append(RouteSpec(try #require(IPPrefix(text)), on: name, .host))
  }

  private let none = Delegates(ipam: nil) { (_, _, _) throws(CNIError) in nil }

  init(_ directory: String) { self.directory = directory }
}

/// Shares state with a closure; only for tests with one thread.
private struct Shared: @unchecked Sendable {
  let value: FakeKernel
  init(_ value: FakeKernel) { self.value = value }
}

func bench(_ body: (Bench) throws -> Void) throws {
  try inDataDirectory { directory in
    defer { try? FileManager.default.removeItem(atPath: "\(directory).index") }
    try body(Bench(directory))
  }
}

/// The CNI error that `body` throws; `nil` if it throws another error or none.
func refusal(_ body: () throws -> Void) -> CNIError? {
  do {
    try body()
    return nil
  } catch {
    return error as? CNIError
  }
}

extension AddResult { var texts: [String] { ips.map(\.address.description) } }
