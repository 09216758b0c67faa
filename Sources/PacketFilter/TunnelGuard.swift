public import CNI
public import NetTypes

/// Restricts a VXLAN port to packets from known hosts, and drops what containers send to it or to those hosts' port.
///
/// Packets of containers are those that arrive on our links (`Isolation.linkGroup` and `pairGroup`). The kernel accepts
/// VXLAN packets at each address of the host.
public struct TunnelGuard: Equatable, Sendable {
  /// The UDP port of the VXLAN devices.
  public var port: UInt16
  /// The hosts that may send; `nil`: they are not known, so every host may.
  public var peers: [IPAddress]?

  public init(port: UInt16, peers: [IPAddress]?) {
    self.port = port
    self.peers = peers
  }
}

extension TunnelGuard: JSONReadable {
  var json: JSONValue { .record(["port": .number(port), "peers": peers.flatMap { .texts($0) }]) }

  public init(_ json: JSONReader) throws(CNIError) {
    self.init(port: try json.required("port").portNumber(), peers: try json.parsedList("peers"))
  }
}

extension AttachmentID {
  /// The owner of the rules for a network's tunnel, which belong to no container.
  public static func tunnel(of network: NetworkName) -> AttachmentID {
    guard let container = ContainerID("host"), let interface = InterfaceName("vxlan") else {
      preconditionFailure("letters are an identifier and an interface name")
    }
    return AttachmentID(network: network, container: container, interface: interface)
  }
}
