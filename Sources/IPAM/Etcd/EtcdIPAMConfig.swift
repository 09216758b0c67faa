public import CNI
public import Etcd
import NetTypes

/// The part of a network configuration that `ipam-etcd` uses.
public struct EtcdIPAMConfig: JSONReadable, Equatable, Sendable {
  /// The keys that `ipam-host-local` has too.
  public var ranges: HostLocalConfig
  public var etcd: EtcdConfig
  /// The prefix of all networks' keys in etcd, without a slash at its end.
  public var prefix: String
  /// This host's name; `nil`: the kernel's host name.
  public var node: NodeName?
  /// How many addresses this host reserves for itself at a time; `nil`: none.
  public var blockSize: Int?

  public static let defaultPrefix = "/swift-cni/ipam"

  public init(_ json: JSONReader) throws(CNIError) {
    try self.init(json, HostLocalConfig(json))
    blockSize = try json["ipam"]?.integer("blockSize")
    // A bridge's addresses belong to one host, but all hosts share the ranges.
    (ranges.type, ranges.bridge) = (nil, nil)
  }

  /// The keys that DEL needs: the cluster, the prefix and this host's name.
  public init(releasingOnly json: JSONReader) throws(CNIError) {
    try self.init(json, HostLocalConfig(dataDir: ""))
  }

  private init(_ json: JSONReader, _ ranges: HostLocalConfig) throws(CNIError) {
    self.ranges = ranges
    let ipam = try json.required("ipam")
    let source = try Self.etcdObject(json, ipam)
    etcd = try EtcdConfig(source.json)
    node = try ipam.parsed("node")
    if let written = try ipam.nonEmptyText("prefix") {
      prefix = Self.trimmed(written)
    } else if let written = try source.json.nonEmptyText("prefix") {
      prefix = Self.trimmed(written) + source.pathSuffix
    } else {
      prefix = Self.defaultPrefix
    }
    guard !prefix.isEmpty else {
      throw (ipam["prefix"] ?? ipam).refusal("a prefix for keys, such as \(Self.defaultPrefix)")
    }
  }

  private static func trimmed(_ prefix: String) -> String {
    String(prefix.reversed().drop { $0 == "/" }.reversed())
  }

  /// The object with etcd's keys, and the path to append to its `prefix`.
  ///
  /// flannel reads the keys directly below the prefix of `controlPlane`, so leases get a path of their own.
  private static func etcdObject(
    _ json: JSONReader, _ ipam: JSONReader
  ) throws(CNIError) -> (json: JSONReader, pathSuffix: String) {
    guard ipam["endpoints"] == nil, let control = json["controlPlane"], try control.text("type") == "etcd" else {
      return (ipam, "")
    }
    return (control, "/ipam")
  }

  /// The network's range sets.
  ///
  /// - Throws: code 2 for keys that only work with files, 7 naming key and value.
  public func rangeSets() throws(CNIError) -> [RangeSet] {
    if let dataDir = ranges.ipam?.dataDir {
      throw unsupported("dataDir", dataDir, "the leases are in etcd: want prefix")
    }
    if ranges.ipam?.sticky == true {
      throw unsupported("sticky", "true", "only ipam-host-local remembers names")
    }
    if let family = ranges.automaticFamilies.first {
      throw unsupported(
        "subnet", SubnetSource.automatic(family).description,
        "a subnet that this host does not use may be in use on another host")
    }
    return try ranges.rangeSets()
  }

  private func unsupported(_ key: String, _ value: String, _ reason: String) -> CNIError {
    CNIError(.unsupportedField, "key \"ipam.\(key)\": \(value): \(reason)")
  }

  /// The key `blockSize`, checked.
  public func checkedBlockSize() throws(CNIError) -> Int? {
    guard let size = blockSize else { return nil }
    guard KeyRange.blockSize.contains(size), size.nonzeroBitCount == 1 else {
      throw CNIError(.invalidNetworkConfig, "key \"ipam.blockSize\": \(size): want a power of two, 2 to 65536")
    }
    return size
  }

  /// This host's name in leases; `hostName` returns the kernel's, from `/proc/sys/kernel/hostname`.
  ///
  /// - Throws: code 7 if that is a name that many hosts have, such as `localhost`.
  public func node(hostName: () throws(CNIError) -> String) throws(CNIError) -> NodeName {
    if let node { return node }
    let text = try hostName().split(whereSeparator: { $0.isWhitespace }).first.map(String.init) ?? ""
    guard let name = NodeName(text), !text.hasPrefix("localhost") else {
      throw CNIError(
        .invalidNetworkConfig,
        "key \"ipam.node\": missing, and the host is called \"\(text)\": want a name that no other host has")
    }
    return name
  }
}
