import CNI
import Kernel
import NetTypes
import Overlay
import PacketFilter
import PluginKit
import TestSupport
@testable import overlay_vxlan

/// A host 192.0.2.1 whose container has addresses of both families.
struct Fixture: PluginFixture {
  let kernel = FakeKernel()
  var owner = AttachmentID.example
  let ipam = FakeDelegate()
  let control = FakeControl()

  /// The IPAM object in the configurations below.
  static var addresses: String { #""ipam":{"type":"fake"}"# }

  /// Three hosts with a subnet each; this host is the first.
  static var routed: String {
    """
    {"vni":100,"controlPlane":{"type":"static","peers":[
      {"vtep":"192.0.2.1","subnets":["10.1.0.0/24","fd00:1::/64"]},
      {"vtep":"192.0.2.2","subnet":"10.2.0.0/24","vtepMac":"02:00:00:00:00:02"},
      {"vtep":"192.0.2.3","subnets":["10.3.0.0/24","fd00:3::/64"],"vtepMac":"02:00:00:00:00:03"}]},\(addresses)}
    """
  }

  /// Three hosts on one subnet; the endpoint of one container is listed.
  static var bridged: String {
    """
    {"mode":"l2","vni":100,"controlPlane":{"type":"static","peers":[
      {"vtep":"192.0.2.1"},{"vtep":"192.0.2.2"},
      {"vtep":"192.0.2.3","endpoints":[{"ip":"10.1.0.77"}]}]},\(addresses)}
    """
  }

  static var evpn: String { #"{"vni":100,"controlPlane":{"type":"evpn"},\#(addresses)}"# }

  /// A network in a VRF.
  static var red: String {
    """
    {"vni":100,"controlPlane":{"type":"evpn"},"vrf":"red","l3vni":4001,"isolation":"none",\(addresses)}
    """
  }

  static var multicast: String {
    """
    {"vni":100,"dev":"uplink","controlPlane":{"type":"multicast","group":"239.1.1.1"},\(addresses)}
    """
  }

  init() {
    kernel.addLink("uplink", on: .host)
    kernel.addLink("lo", on: .host)
    kernel.state.addresses = [AddressSpec("192.0.2.1/24", on: "uplink", .host)]
    kernel.uplink = "uplink"
    kernel.state.sysctls[.host]?["net/ipv6/conf/default/disable_ipv6"] = "0"
  }

  var plugin: OverlayPlugin<FakeControl, FakeKernel> {
    OverlayPlugin(control) { [kernel] _ throws(KernelError) in kernel }
  }

  var delegates: Delegates { ipam.delegates }

  /// The configuration with what the control plane says.
  func input(_ json: String, for command: Command, on kernel: inout FakeKernel) throws -> OverlayInput {
    try OverlayInput(config(json), control, of: owner.network, for: command, on: &kernel)
  }

  /// The container's packet filter rules.
  var ruleSet: RuleSet? {
    get throws { try kernel.filter.ruleSets(of: owner.network).first { $0.owner == owner } }
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
  /// What was published last.
  private(set) var published = PublishedContainer()
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
    var controlState = controlState
    controlState.source = command == .add ? etcdSource : nil
    return controlState
  }

  func publish(
    _ container: PublishedContainer, of owner: AttachmentID, _ plane: EtcdPlaneConfig, as host: OverlayHost
  ) throws(CNIError) {
    publishedEndpoints += container.endpoints
    published = container
    if let error { throw error }
  }

  func withdraw(_ owner: AttachmentID, _ plane: EtcdPlaneConfig) throws(CNIError) { publishedEndpoints = [] }

  func collectGarbage(
    of network: NetworkName, _ plane: EtcdPlaneConfig, valid: Set<ValidAttachments.Attachment>
  ) throws(CNIError) { publishedEndpoints = [] }

  func isWatched(_ network: NetworkName) -> Bool { isFollowed }

  /// The source of `controlState`; a test that changes the state changes it too.
  var etcdSource: WrittenTables.Source?
  var written: [NetworkName: WrittenTables] = [:]

  func writtenTables(of network: NetworkName) -> WrittenTables? { written[network] }

  func record(_ tables: WrittenTables, of network: NetworkName) { written[network] = tables }

  func forgetTables(of network: NetworkName) { written[network] = nil }

  func unchangedSource(
    since source: WrittenTables.Source, _ plane: EtcdPlaneConfig, of network: NetworkName, as host: OverlayHost
  ) -> WrittenTables.Source? { source == etcdSource ? source : nil }

  func hash(ofFile path: String) -> UInt64? { files[path].map { FNV1a("\($0)").mixed } }
}
