public import CNI
public import Etcd
public import EtcdRecords
import NetTypes

/// A network whose hosts share names through etcd, as its configuration list describes it.
///
/// ADD updates this host's files; between ADDs `cnictl overlay sync` or `cnictl repair --names` has to do it.
public struct RemoteNames: Equatable, Sendable {
  public let network: NetworkName
  public let config: SharingConfig
  private let stateDir: String

  /// Reads the plugin's configuration; `nil` for a plugin that shares no names.
  ///
  /// - Parameters:
  ///   - network: the network of the list.
  ///   - plugin: the configuration of one plugin of the list, as the operator wrote it.
  /// - Throws: code 7 for a key with a wrong value.
  public init?(of network: NetworkName, plugin: JSONValue) throws(CNIError) {
    let json = JSONReader(plugin)
    guard try ["dns-hosts", "dnsname"].contains(json.text("type")),
      let config: SharingConfig = try json.object("etcd")
    else { return nil }
    self.network = network
    self.config = config
    stateDir = try json.nonEmptyText("stateDir") ?? StatePaths.dnsHosts
  }

  /// Renews this host's etcd lease, and updates etcd and this host's files.
  ///
  /// Puts back names of this host's attachments that etcd lost, and writes the names of other hosts to the files here.
  ///
  /// - Returns: whether any file of this host was changed.
  /// - Throws: code 11 if no etcd quorum answers; then no file of this host is changed.
  @discardableResult
  public func refresh<Store: EtcdStore & ~Copyable>(
    from store: inout Store, warn: @escaping (String) -> Void
  ) throws(CNIError) -> Bool {
    let state = StateDirectory(stateDir)
    let lockNames = { () throws(KernelError) in
      try NetworkNames.lock(network, in: state, createIfMissing: false, warn: warn)
    }
    guard try convertingErrors({ () throws(KernelError) in try state.hasMembers(of: network) }) else { return false }
    let shared = try SharedNames(config, of: network, warn: warn)
    let lease = try shared.lease(&store, recordedIn: state)
    guard let names = try convertingErrors(lockNames) else { return false }
    let local = try convertingErrors { () throws(KernelError) in try names.members() }
    let remote = try shared.exchange(&store, joining: nil, local: local, on: lease)
    return try convertingErrors { () throws(KernelError) in try names.writeRemoteNames(remote) }
  }
}
