import CNI
import Kernel
import NetTypes
import PacketFilter
import PluginKit
import TestSupport
@testable import portmap

/// A container with an address of each family on a bridge of the host.
struct Fixture {
  var kernel = FakeKernel()
  var owner: AttachmentID
  var previous = AddResult(
    interfaces: [.init(name: "br0"), .init(name: "veth0"), .init(name: "eth0", sandbox: "/run/netns/c1")],
    ips: [
      .init(interface: 0, address: "10.9.0.1/24"),
      .init(interface: 2, address: "10.1.0.5/24", gateway: "10.1.0.1"), .init(interface: 2, address: "fd00:1::5/64"),
      .init(interface: 2, address: "10.1.0.6/24"),
    ])
  /// The plugin of the key `delegate`.
  var delegate = FakeDelegate()

  init(container: String = "c1", on kernel: FakeKernel? = nil, network: String = "net") throws {
    guard let network = NetworkName(network), let container = ContainerID(container) else { throw BadFixture() }
    owner = AttachmentID(network: network, container: container, interface: "eth0")
    if let kernel { self.kernel = kernel } else { prepare() }
  }

  private func prepare() {
    kernel.addLink("br0", on: .host, kind: "bridge")
    kernel.addLink("up0", on: .host)
    kernel.state.addresses = [
      AddressSpec("10.1.0.1/24", on: "br0", .host), AddressSpec("fd00:1::1/64", on: "br0", .host),
      AddressSpec("192.0.2.1/24", on: "up0", .host),
    ]
    kernel.state.sysctls[.host]?["net/ipv4/conf/br0/route_localnet"] = "0"
    kernel.state.sysctls[.host]?["net/ipv4/ip_local_port_range"] = "32768\t60999"
  }

  var plugin: ChainedPlugin<PortmapDriver, FakeKernel> {
    ChainedPlugin(PortmapDriver()) { [kernel] () throws(KernelError) in kernel }
  }

  func config(_ json: String) throws -> PortmapConfig {
    try CNIJSON.decode(PortmapConfig.self, from: Array(json.utf8))
  }

  func call(_ json: String) throws -> Call<PortmapConfig> {
    let config = try config(json)
    return Call(
      owner: owner, namespacePath: "/run/netns/c1", config: config,
      previous: config.nestedPlugin == nil ? previous : nil,
      delegates: delegate.delegates(answering: previous))
  }

  /// Runs ADD and returns its result.
  @discardableResult
  func add(_ json: String) throws -> AddResult {
    var answer = AddResult()
    try plugin.add(call(json)) { (result) throws(CNIError) in answer = result }
    return answer
  }

  func check(_ json: String, _ result: AddResult) throws {
    var call = try call(json)
    call.previous = result
    try plugin.check(call)
  }

  func delete(_ json: String?) throws {
    let config = try json.map { try CNIJSON.decodeValue(Array($0.utf8)) }.flatMap { value in
      (try? PortmapConfig(JSONReader(value))) ?? PortmapConfig.partialConfig(JSONReader(value))
    }
    try plugin.delete(
      Removal(
        owner: owner, namespacePath: nil, config: config, delegates: delegate.delegates(answering: previous)))
  }

  /// Runs ADD and returns its changes.
  func changes(_ json: String) throws -> [Change] {
    try add(json)
    return kernel.applied
  }

  /// The error of ADD; `nil` if it succeeds.
  func refusal(_ json: String) throws -> CNIError? {
    do {
      try add(json)
      return nil
    } catch let error as CNIError { return error }
  }

  var ruleSets: [RuleSet] { (kernel.filter as? FakeFilter)?.ruleSets ?? [] }

  var v4: ReturnPath { ReturnPath(subnet: "10.1.0.0/24", link: "br0") }
  var v6: ReturnPath { ReturnPath(subnet: "fd00:1::/64", link: "br0") }
}

struct BadFixture: Error {}

/// A plugin that answers as the test configures it, and records its calls.
final class FakeDelegate {
  var calls: [Command] = []
  /// The error of its ADD; `nil` if it succeeds.
  var refusal: CNIError?

  func delegates(answering result: AddResult) -> Delegates {
    Delegates(ipam: nil) { [self] (_, command, _) throws(CNIError) in
      calls.append(command)
      if command == .add, let refusal { throw refusal }
      return command == .add ? result : nil
    }
  }
}

/// `runtimeConfig` with these mappings.
func mappings(_ elements: String, _ more: String = "") -> String {
  #"{"runtimeConfig":{"portMappings":["# + elements + "]}" + (more.isEmpty ? "" : "," + more) + "}"
}
