import CNI
import Kernel
import NetTypes
import Overlay
import PacketFilter
import PluginKit
import TestSupport
@testable import overlay_vxlan

/// An attachment to a network "net" on the host 192.0.2.1.
struct Fixture {
  var kernel = FakeKernel()
  var owner: AttachmentID
  var ipam = FakeIPAM()
  var control = FakeControl()

  /// The IPAM object in the configurations below.
  static let addresses = #""ipam":{"type":"fake"}"#

  /// Three hosts with a subnet each; this host is the first.
  static let routed = """
    {"vni":100,"controlPlane":{"type":"static","peers":[
      {"vtep":"192.0.2.1","subnets":["10.1.0.0/24","fd00:1::/64"]},
      {"vtep":"192.0.2.2","subnet":"10.2.0.0/24","vtepMac":"02:00:00:00:00:02"},
      {"vtep":"192.0.2.3","subnets":["10.3.0.0/24","fd00:3::/64"],"vtepMac":"02:00:00:00:00:03"}]},\(addresses)}
    """

  /// Three hosts on one subnet; the endpoint of one container is listed.
  static let bridged = """
    {"mode":"l2","vni":100,"controlPlane":{"type":"static","peers":[
      {"vtep":"192.0.2.1"},{"vtep":"192.0.2.2"},
      {"vtep":"192.0.2.3","endpoints":[{"ip":"10.1.0.77"}]}]},\(addresses)}
    """

  static let evpn = #"{"vni":100,"controlPlane":{"type":"evpn"},\#(addresses)}"#

  /// A network in a VRF.
  static let red = """
    {"vni":100,"controlPlane":{"type":"evpn"},"vrf":"red","l3vni":4001,"isolation":"none",\(addresses)}
    """

  static let multicast = """
    {"vni":100,"dev":"uplink","controlPlane":{"type":"multicast","group":"239.1.1.1"},\(addresses)}
    """

  init() throws {
    guard let network = NetworkName("net"), let container = ContainerID("c1") else { throw BadFixture() }
    owner = AttachmentID(network: network, container: container, interface: "eth0")
    kernel.addLink("uplink", on: .host)
    kernel.addLink("lo", on: .host)
    kernel.state.addresses = [AddressSpec("192.0.2.1/24", on: "uplink", .host)]
    kernel.uplink = "uplink"
    kernel.state.sysctls[.host]?["net/ipv6/conf/default/disable_ipv6"] = "0"
  }

  var plugin: OverlayPlugin<FakeControl, FakeKernel> {
    OverlayPlugin(control) { [kernel] _ throws(KernelError) in kernel }
  }

  /// The configuration with what the control plane says.
  func input(_ json: String, for command: Command, on kernel: inout FakeKernel) throws -> OverlayInput {
    try OverlayInput(config(json), control, of: owner.network, for: command, on: &kernel)
  }

  func config(_ json: String) throws -> OverlayConfig { try CNIJSON.decode(OverlayConfig.self, from: Array(json.utf8)) }

  func call(_ json: String, previous: AddResult? = nil) throws -> Call<OverlayConfig> {
    Call(
      owner: owner, namespacePath: "/run/netns/c1", config: try config(json),
      keys: try CNIJSON.decode(RuntimeKeys.self, from: Array(json.utf8)), previous: previous, delegates: ipam.delegates)
  }

  func add(_ json: String) throws -> AddResult {
    var answer = AddResult()
    try plugin.add(call(json)) { (result) throws(CNIError) in answer = result }
    return answer
  }

  /// The container's packet filter rules.
  var ruleSet: RuleSet? {
    get throws { try kernel.filter.ruleSets(of: owner.network).first { $0.owner == owner } }
  }

  /// The same host with another container.
  func next(_ name: String = "c2") throws -> Fixture {
    var next = self
    guard let container = ContainerID(name) else { throw BadFixture() }
    next.owner.container = container
    let fresh = FakeKernel().state
    kernel.state.links[.container] = fresh.links[.container]
    kernel.state.sysctls[.container] = fresh.sysctls[.container]
    kernel.state.addresses.removeAll { $0.netns == .container }
    kernel.state.routes.removeAll { $0.netns == .container }
    return next
  }

  func delete(_ json: String) throws {
    try plugin.delete(
      Removal(owner: owner, namespacePath: nil, config: config(json), delegates: ipam.delegates))
  }

  func collectGarbage(_ json: String) throws {
    try plugin.collectGarbage(
      NetworkCall(name: owner.network, config: config(json), delegates: ipam.delegates), valid: [])
  }

  func status(_ json: String) throws {
    try plugin.status(NetworkCall(name: owner.network, config: config(json), delegates: ipam.delegates))
  }

  /// The error of ADD; `nil` if it succeeds.
  func refusal(_ json: String) throws -> CNIError? {
    do {
      _ = try add(json)
      return nil
    } catch let error as CNIError { return error }
  }
}

struct BadFixture: Error {}

/// An IPAM plugin that always returns the same result and records its calls and its input.
final class FakeIPAM {
  var answer = AddResult(
    ips: [
      .init(address: "10.1.0.5/24", gateway: "10.1.0.1"), .init(address: "fd00:1::5/64", gateway: "fd00:1::1"),
    ])
  var calls: [Command] = []
  /// The changed configuration that IPAM got; `nil` if it got the unchanged one.
  var input: JSONValue?

  var delegates: Delegates {
    Delegates(ipam: PluginType("fake")) { [self] (_, command, bytes) throws(CNIError) in
      calls.append(command)
      if let bytes { input = try CNIJSON.decodeValue(bytes) }
      return command == .add ? answer : nil
    }
  }
}

/// A control plane with the state that the test sets.
final class FakeControl: ControlPlaneClient {
  var files: [String: [OverlayPeer]] = [:]
  var controlState = ControlPlaneState()
  var isFollowed = false
  /// The error that publishing an endpoint throws.
  var error: CNIError?
  private(set) var publishedEndpoints: [OverlayEndpoint] = []
  private(set) var hosts: [OverlayHost] = []

  func peers(inFile path: String) throws(CNIError) -> [OverlayPeer] {
    guard let peers = files[path] else { throw CNIError(.invalidNetworkConfig, "no file \(path)") }
    return peers
  }

  func consult(
    _ plane: EtcdPlaneConfig, of network: NetworkName, as host: OverlayHost, for command: Command,
    _ check: (ControlPlaneState) throws(CNIError) -> Void
  ) throws(CNIError) -> ControlPlaneState {
    if command == .add { try check(controlState) }
    hosts.append(host)
    return controlState
  }

  func publish(
    _ endpoints: [OverlayEndpoint], of owner: AttachmentID, _ plane: EtcdPlaneConfig, as host: OverlayHost
  ) throws(CNIError) {
    publishedEndpoints += endpoints
    if let error { throw error }
  }

  func withdraw(_ owner: AttachmentID, _ plane: EtcdPlaneConfig) throws(CNIError) { publishedEndpoints = [] }

  func collectGarbage(
    of network: NetworkName, _ plane: EtcdPlaneConfig, valid: Set<ValidAttachments.Attachment>
  ) throws(CNIError) { publishedEndpoints = [] }

  func isWatched(_ network: NetworkName) -> Bool { isFollowed }
}
