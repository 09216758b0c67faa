import CNI
import Kernel
import NetTypes
import PluginKit
import TestSupport
@testable import macvlan

/// An attachment to a network "net" on up0, a link of the host with addresses of both families.
struct Fixture {
  var kernel = FakeKernel()
  var owner: AttachmentID
  var ipam = FakeIPAM()

  static let hostAddresses: [IPPrefix] = ["10.1.0.1/24", "fd00:1::1/64"]

  init(hostAddresses: [IPPrefix] = Fixture.hostAddresses) throws {
    guard let network = NetworkName("net"), let container = ContainerID("c1") else { throw BadFixture() }
    owner = AttachmentID(network: network, container: container, interface: "eth0")
    kernel.addLink("up0", on: .host)
    kernel.state.links[.host]?["up0"]?.isUp = true
    kernel.uplink = "up0"
    kernel.state.sysctls[.host]?["net/ipv6/conf/up0/accept_ra"] = "1"
    kernel.state.addresses = hostAddresses.map { AddressSpec($0, on: "up0", .host) }
  }

  var link: InterfaceName { AttachmentID.hostMacvlan(owner.network) }

  var plugin: MainPlugin<MacvlanDriver, FakeKernel> {
    MainPlugin(MacvlanDriver()) { [kernel] _ throws(KernelError) in kernel }
  }

  static func config(_ json: String) throws -> MacvlanConfig {
    try CNIJSON.decode(MacvlanConfig.self, from: Array(json.utf8))
  }

  func call(
    _ json: String, arguments: String = "", previous: AddResult? = nil, of owner: AttachmentID? = nil
  ) throws -> Call<MacvlanConfig> {
    Call(
      owner: owner ?? self.owner, namespacePath: "/run/netns/c1", argumentsText: arguments,
      config: try Self.config(json), keys: try CNIJSON.decode(RuntimeKeys.self, from: Array(json.utf8)),
      previous: previous, delegates: ipam.delegates)
  }

  /// Runs ADD and returns its result.
  func add(_ json: String, arguments: String = "", of owner: AttachmentID? = nil) throws -> AddResult {
    var answer = AddResult()
    try plugin.add(call(json, arguments: arguments, of: owner)) { (result) throws(CNIError) in answer = result }
    return answer
  }

  /// Runs DEL without configuration.
  func delete(_ owner: AttachmentID? = nil, namespacePath: String? = nil) throws {
    try plugin.delete(
      Removal(
        owner: owner ?? self.owner, namespacePath: namespacePath, config: nil, delegates: ipam.delegates))
  }

  /// The ID of another attachment to the same network; the fake has one container, which stands for both.
  func other() throws -> AttachmentID {
    guard let container = ContainerID("c2") else { throw BadFixture() }
    return AttachmentID(network: owner.network, container: container, interface: "eth1")
  }
}

struct BadFixture: Error {}

/// An IPAM plugin that always returns the same result and records its calls.
final class FakeIPAM {
  var answer = AddResult(
    ips: [
      .init(address: "10.1.0.5/24", gateway: "10.1.0.254"), .init(address: "fd00:1::5/64", gateway: "fd00:1::fe"),
    ],
    routes: [Route(dst: "0.0.0.0/0"), Route(dst: "::/0", priority: 7)])
  var calls: [Command] = []
  var type = "fake"

  var delegates: Delegates {
    Delegates(ipam: PluginType(type)) { [self] (_, command, _) throws(CNIError) in
      calls.append(command)
      return command == .add ? answer : nil
    }
  }
}
