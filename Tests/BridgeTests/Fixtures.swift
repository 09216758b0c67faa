import CNI
import NetTypes
import PluginKit
import TestSupport
@testable import bridge

/// An attachment to a network called "net" with addresses of both families.
struct Fixture {
  var kernel = FakeKernel()
  var owner: AttachmentID
  var ipam = FakeIPAM()

  init() throws {
    guard let network = NetworkName("net"), let container = ContainerID("c1") else { throw BadFixture() }
    owner = AttachmentID(network: network, container: container, interface: "eth0")
  }

  var plugin: MainPlugin<BridgeDriver, FakeKernel> {
    MainPlugin(BridgeDriver()) { [kernel] _ throws(KernelError) in kernel }
  }

  func call(_ json: String, arguments: String = "", previous: AddResult? = nil) throws -> Call<BridgeConfig> {
    let bytes = Array(json.utf8)
    return Call(
      owner: owner, namespacePath: "/run/netns/c1", argumentsText: arguments,
      config: try CNIJSON.decode(BridgeConfig.self, from: bytes),
      keys: try CNIJSON.decode(RuntimeKeys.self, from: bytes),
      previous: previous, delegates: ipam.delegates)
  }

  /// Runs ADD and returns its result.
  func add(_ json: String, arguments: String = "", previous: AddResult? = nil) throws -> AddResult {
    var answer = AddResult()
    try plugin.add(call(json, arguments: arguments, previous: previous)) { (result) throws(CNIError) in answer = result
    }
    return answer
  }
}

struct BadFixture: Error {}

/// An IPAM plugin that always returns the same result and records its calls.
final class FakeIPAM {
  var answer = AddResult(
    ips: [
      .init(address: "10.1.0.5/24", gateway: "10.1.0.1"), .init(address: "fd00:1::5/64", gateway: "fd00:1::1"),
    ])
  var calls: [Command] = []

  var delegates: Delegates {
    Delegates(ipam: PluginType("fake")) { [self] (_, command, _) throws(CNIError) in
      calls.append(command)
      return command == .add ? answer : nil
    }
  }
}
