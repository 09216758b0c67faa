public import CNI
public import Etcd
import NetTypes

/// A network whose hosts tell each other names, as its list has it.
///
/// An ADD brings this host up to date by itself; between ADDs somebody has to do it: `cnictl overlay sync`,
/// `cnictl repair --names`.
public struct RemoteNames: Equatable, Sendable {
  public let network: NetworkName
  public let config: EtcdNamesConfig
  private let stateDir: String

  /// `nil` for a plugin that shares no names.
  ///
  /// - Parameters:
  ///   - network: whose list it is.
  ///   - plugin: one plugin of the list, as the operator wrote it.
  /// - Throws: code 7 for a key with a wrong value.
  public init?(of network: NetworkName, plugin: JSONValue) throws(CNIError) {
    let json = JSONReader(plugin)
    guard try ["dns-hosts", "dnsname"].contains(json.text("type")),
      let config: EtcdNamesConfig = try json.object("etcd")
    else { return nil }
    self.network = network
    self.config = config
    stateDir = try json.filledText("stateDir") ?? StateDirectory.defaultPath
  }

  /// What changes when another host's names do, for a watch.
  public var keys: EtcdKeys { .prefixed(config.start(network)) }

  /// Begins the time of this host's lease anew, tells the other hosts of attachments here that nobody knows any more, and
  /// the containers here of those on other hosts.
  ///
  /// - Returns: whether any file of this host was changed.
  /// - Throws: code 11 where no quorum answers; nothing here is changed then.
  @discardableResult
  public func refresh<Store: EtcdStore & ~Copyable>(
    from store: inout Store, warn: @escaping (String) -> Void
  ) throws(CNIError) -> Bool {
    let state = StateDirectory(stateDir)
    let lockNames = { () throws(KernelError) in
      try NetworkNames.lock(network, in: state, making: false, warn: warn)
    }
    guard try translating({ () throws(KernelError) in try state.hasMembers(of: network) }) else { return false }
    let shared = try SharedNames(config, of: network, warn: warn)
    let lease = try shared.lease(&store, notedIn: state)
    guard let names = try translating(lockNames) else { return false }
    let local = try translating { () throws(KernelError) in try names.members() }
    let remote = try shared.exchange(&store, joining: nil, local: local, on: lease)
    return try translating { () throws(KernelError) in try names.tell(of: remote) }
  }
}
