public import CNI
public import Kernel
public import NetTypes

/// What this host's tables of a network were written from last: `RUN/NETWORK.tables`.
///
/// If neither that nor the tables have changed since, an ADD need not read thousands of hosts and compare their entries.
public struct WrittenTables: Equatable, Sendable {
  /// What the peers were read from.
  public enum Source: Equatable, Sendable {
    /// All entries of the network in etcd: up to that revision of that cluster, so many keys.
    case etcd(revision: Int64, cluster: String, keys: Int)
    /// The hash of the list in the configuration and in the peers file.
    case list(UInt64)
  }

  public var source: Source
  /// What else the tables follow from: the hash of settings and devices.
  public var inputs: UInt64
  public var digest: TunnelDigest
  /// This host's underlay address.
  public var local: IPAddress
  /// The control plane's state with only the first peers, for which paths and rules are looked up.
  public var controlState: ControlPlaneState

  /// So many peers are kept.
  static let sampleSize = 8

  /// `controlState` is the whole state.
  init(
    from source: Source, inputs: UInt64, _ digest: TunnelDigest, at local: IPAddress, _ controlState: ControlPlaneState
  ) {
    self.source = source
    self.inputs = inputs
    self.digest = digest
    self.local = local
    self.controlState = controlState
    self.controlState.source = nil
    self.controlState.peers = controlState.peers.prefix(Self.sampleSize).map {
      OverlayPeer($0.vtep, subnets: $0.subnets)
    }
  }
}

extension WrittenTables: JSONReadable {
  public init(_ json: JSONReader) throws(CNIError) {
    if let cluster = try json.nonEmptyText("cluster") {
      source = .etcd(
        revision: Int64(try json.required("revision").integer()), cluster: cluster,
        keys: try json.required("keys").integer())
    } else {
      source = .list(try json.hash("list"))
    }
    inputs = try json.hash("inputs")
    digest = TunnelDigest(count: try json.required("entries").integer(), sum: try json.hash("digest"))
    local = try json.required("local").parsed()
    controlState = ControlPlaneState()
    controlState.ownSubnets = try json.parsedList("ownSubnets") ?? []
    controlState.network = try json.parsedList("network") ?? []
    controlState.vni = try json.integer("vni")
    controlState.port = try json.integer("port").map { UInt16(truncatingIfNeeded: $0) }
    controlState.isDirectRouting = try json.flag("directRouting")
    controlState.vtepMAC = try json.parsed("vtepMac")
    controlState.peers = try json.objects("peers") ?? []
  }

  var json: JSONValue {
    var members: [String: JSONValue?] = [
      "inputs": .string(inputs.hexDigits), "entries": .number(digest.count), "digest": .string(digest.sum.hexDigits),
      "local": .text(local), "ownSubnets": .texts(controlState.ownSubnets), "network": .texts(controlState.network),
      "vni": .number(controlState.vni), "port": .number(controlState.port),
      "directRouting": controlState.isDirectRouting.map { .bool($0) }, "vtepMac": .text(controlState.vtepMAC),
      "peers": .array(controlState.peers.map { .record(["vtep": .text($0.vtep), "subnets": .texts($0.subnets)]) }),
    ]
    switch source {
    case .etcd(let revision, let cluster, let keys):
      members["revision"] = .number(revision)
      members["cluster"] = .string(cluster)
      members["keys"] = .number(keys)
    case .list(let hash): members["list"] = .string(hash.hexDigits)
    }
    return .record(members)
  }
}

extension JSONReader {
  fileprivate func hash(_ key: String) throws(CNIError) -> UInt64 {
    let reader = try required(key)
    guard let hash = UInt64(try reader.text(), radix: 16) else { throw reader.refusal("a hexadecimal number") }
    return hash
  }
}
