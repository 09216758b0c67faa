public import CNI
public import NetTypes

/// Restricts a VXLAN port to packets of known hosts, and drops those of this host's containers to it and to those hosts.
///
/// Containers' packets are those that arrive on links of ours (`Isolation.linkGroup` and `pairGroup`). The kernel takes VXLAN packets at
/// each address of the host.
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
  var members: [String: JSONValue] {
    var members: [String: JSONValue] = ["port": .integer(Int64(port))]
    members["peers"] = peers.map { .array($0.map { .string($0.description) }) }
    return members
  }

  public init(_ json: JSONReader) throws(CNIError) {
    self.init(port: try json.required("port").portNumber(), peers: try json.parsedList("peers"))
  }
}
