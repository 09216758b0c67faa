import CNI
import Kernel
import NetTypes
import PluginKit
import TestSupport
@testable import dummy
@testable import ipvlan
@testable import vlan

typealias IPVLANDriver = ChildLinkDriver<IPVLANConfig>
typealias VLANDriver = ChildLinkDriver<VLANConfig>

/// An attachment to a network "net", on a host whose default route uses the link `m0`.
struct Fixture<Driver: LinkDriver> where Driver.Input == Driver.Config {
  let driver: Driver
  let chainInput: MainPlugin<Driver, FakeKernel>.ReadChainInput
  var kernel = FakeKernel()
  var owner: AttachmentID
  var ipam = FakeIPAM()

  init(
    _ driver: Driver,
    chainInput: @escaping MainPlugin<Driver, FakeKernel>.ReadChainInput = { (_, _, _) throws(CNIError) in nil }
  ) throws {
    guard let network = NetworkName("net"), let container = ContainerID("c1") else { throw BadFixture() }
    owner = AttachmentID(network: network, container: container, interface: "eth0")
    self.driver = driver
    self.chainInput = chainInput
    kernel.addLink("m0", on: .host, mtu: 1500)
    kernel.state.links[.host]?["m0"]?.isUp = true
    kernel.uplink = "m0"
  }

  var master: LinkInfo? { kernel.link("m0", on: .host) }
  var link: LinkInfo? { kernel.link(owner.interface, on: .container) }

  var plugin: MainPlugin<Driver, FakeKernel> {
    MainPlugin(driver, chainInput: chainInput) { [kernel] _ throws(KernelError) in kernel }
  }

  func config(_ json: String) throws -> Driver.Config { try CNIJSON.decode(Driver.Config.self, from: Array(json.utf8)) }

  func call(_ json: String, arguments: String = "", previous: AddResult? = nil) throws -> Call<Driver.Config> {
    Call(
      owner: owner, namespacePath: "/run/netns/c1", argumentsText: arguments, config: try config(json),
      keys: try CNIJSON.decode(RuntimeKeys.self, from: Array(json.utf8)), previous: previous,
      delegates: ipam.delegates)
  }

  /// Runs ADD and returns its result.
  @discardableResult
  func add(_ json: String, arguments: String = "", previous: AddResult? = nil) throws -> AddResult {
    var answer = AddResult()
    try plugin.add(call(json, arguments: arguments, previous: previous)) { (result) throws(CNIError) in
      answer = result
    }
    return answer
  }

  /// The error of ADD; `nil` if it succeeds.
  func refusal(_ json: String, arguments: String = "", previous: AddResult? = nil) throws -> CNIError? {
    do {
      try add(json, arguments: arguments, previous: previous)
      return nil
    } catch let error as CNIError { return error }
  }

  /// The message of CHECK; empty if CHECK succeeds.
  func complaint(_ json: String, _ result: AddResult) throws -> String {
    do {
      try plugin.check(call(json, previous: result))
      return ""
    } catch let error as CNIError { return error.code == .differences ? error.message : "\(error)" }
  }

  func delete(path: String? = "/run/netns/c1", config json: String? = nil) throws {
    try plugin.delete(
      Removal(
        owner: owner, namespacePath: path, config: try json.map(config), delegates: ipam.delegates))
  }

  func network(_ json: String) throws -> NetworkCall<Driver.Config> {
    NetworkCall(name: owner.network, config: try config(json), delegates: ipam.delegates)
  }

  /// The error of STATUS; `nil` if it succeeds.
  func obstacle(_ json: String) throws -> CNIError? {
    do {
      try plugin.status(network(json))
      return nil
    } catch let error as CNIError { return error }
  }
}

struct BadFixture: Error {}

/// An IPAM plugin that always returns the same result and records its calls.
final class FakeIPAM {
  var answer = AddResult(
    ips: [
      .init(address: "10.1.0.5/24", gateway: "10.1.0.1"), .init(address: "fd00:1::5/64", gateway: "fd00:1::1"),
    ],
    routes: [Route(dst: "0.0.0.0/0"), Route(dst: "::/0")])
  var calls: [Command] = []

  var delegates: Delegates {
    Delegates(ipam: PluginType("fake")) { [self] (_, command, _) throws(CNIError) in
      calls.append(command)
      return command == .add ? answer : nil
    }
  }
}

extension [Change] {
  /// The first word of each change's description, in order.
  var verbs: [String] { map { String("\($0)".prefix { $0 != " " }) } }
}
