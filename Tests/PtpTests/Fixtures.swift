import CNI
import Kernel
import NetTypes
import PluginKit
import TestSupport
@testable import ptp

/// An attachment to a network called "net" with addresses of both families.
struct Fixture {
  var kernel = FakeKernel()
  var owner: AttachmentID
  var ipam = FakeIPAM()

  init() throws {
    guard let network = NetworkName("net"), let container = ContainerID("c1") else { throw BadFixture() }
    owner = AttachmentID(network: network, container: container, interface: "eth0")
  }

  var plugin: MainPlugin<PTPDriver, FakeKernel> {
    MainPlugin(PTPDriver(), peerNamespace: \.peerNamespace) { [kernel] _ throws(KernelError) in kernel }
  }

  func config(_ json: String) throws -> PTPConfig { try CNIJSON.decode(PTPConfig.self, from: Array(json.utf8)) }

  /// `keys` are the members of the configuration besides `ipam`.
  func call(_ keys: String = "", arguments: String = "", previous: AddResult? = nil) throws -> Call<PTPConfig> {
    let json = #"{"ipam":{"type":"fake"}\#(keys.isEmpty ? "" : ",")\#(keys)}"#
    return Call(
      owner: owner, namespacePath: "/run/netns/c1", argumentsText: arguments, config: try config(json),
      keys: try CNIJSON.decode(RuntimeKeys.self, from: Array(json.utf8)), previous: previous, delegates: ipam.delegates)
  }

  /// Runs ADD and returns its result.
  func add(_ keys: String = "", arguments: String = "", previous: AddResult? = nil) throws -> AddResult {
    var answer = AddResult()
    try plugin.add(call(keys, arguments: arguments, previous: previous)) { (result) throws(CNIError) in answer = result
    }
    return answer
  }

  /// The message of CHECK; empty if CHECK succeeds.
  func complaint(_ keys: String, _ result: AddResult) throws -> String {
    do {
      try plugin.check(call(keys, previous: result))
      return ""
    } catch let error as CNIError { return error.message }
  }

  func delete(_ json: String?, from path: String? = "/run/netns/c1") throws {
    try plugin.delete(
      Removal(
        owner: owner, namespacePath: path, config: try json.map { try config($0) }, delegates: ipam.delegates))
  }

  func network(_ json: String) throws -> NetworkCall<PTPConfig> {
    NetworkCall(name: owner.network, config: try config(json), delegates: ipam.delegates)
  }

  func names(on netns: NetNS) -> [String] {
    kernel.allLinks(on: netns).map(\.name.description).sorted()
  }
}

struct BadFixture: Error {}

/// An IPAM plugin that always returns the same result and records its calls.
final class FakeIPAM {
  var answer = AddResult(
    ips: [.init(address: "10.1.0.5/24"), .init(address: "fd00:1::5/64", gateway: "fd00:1::1")],
    routes: [Route(dst: "0.0.0.0/0")])
  var calls: [Command] = []

  var delegates: Delegates {
    Delegates(ipam: PluginType("fake")) { [self] (_, command, _) throws(CNIError) in
      calls.append(command)
      return command == .add ? answer : nil
    }
  }
}
