public import CNI
public import EtcdRecords

/// A network whose hosts share back-ends of services through etcd, as its configuration list describes it.
public struct RemoteServices: Equatable, Sendable {
  public let network: NetworkName
  public let config: SharingConfig

  /// Reads the plugin's configuration; `nil` for a plugin that shares no back-ends.
  ///
  /// - Parameters:
  ///   - network: the network of the list.
  ///   - plugin: the configuration of one plugin of the list, as the operator wrote it.
  /// - Throws: code 7 for a key with a wrong value.
  public init?(of network: NetworkName, plugin: JSONValue) throws(CNIError) {
    let json = JSONReader(plugin)
    guard try json.text("type") == "service", let config: SharingConfig = try json.object("etcd") else { return nil }
    self.network = network
    self.config = config
  }
}
