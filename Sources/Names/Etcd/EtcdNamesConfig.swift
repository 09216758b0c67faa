public import CNI
public import Etcd
import Linux
import NetTypes

/// The key `etcd` of `dns-hosts`: how the hosts of a network tell each other the names of their containers.
public struct EtcdNamesConfig: Equatable, Sendable {
  public var etcd: EtcdConfig
  /// Where the names are: `/swift-cni/names`, with `/NETWORK/CONTAINER:INTERFACE` behind it.
  public var prefix: String
  /// What this host is called among the others; `nil`: as the kernel has it.
  public var node: HostName?
  /// For how many seconds this host's names stay when it is not heard of.
  public var leaseSeconds: Int

  static let defaultPrefix = "/swift-cni/names"
  static let defaultLeaseSeconds = 86400
}

extension EtcdNamesConfig: JSONReadable {
  public init(_ json: JSONReader) throws(CNIError) {
    etcd = try EtcdConfig(json)
    prefix = try json.filledText("prefix") ?? Self.defaultPrefix
    guard prefix.hasPrefix("/") else { throw try json.required("prefix").refusal("an absolute path") }
    while prefix.hasSuffix("/") { prefix.removeLast() }
    node = try json.parsed("node")
    leaseSeconds = try json.integer("leaseTTL") ?? Self.defaultLeaseSeconds
    guard (10...31_536_000).contains(leaseSeconds) else {
      throw try json.required("leaseTTL").refusal("10 to 31536000 seconds")
    }
  }

  /// What the keys of a network begin with.
  func start(_ network: NetworkName) -> String { "\(prefix)/\(network)/" }

  /// What this host is called.
  ///
  /// - Throws: code 7 where nobody has said it and the kernel has no name for it that others have not.
  func thisNode() throws(CNIError) -> HostName {
    if let node { return node }
    let path = "/proc/sys/kernel/hostname"
    var text = ""
    do throws(KernelError) {
      text = String(decoding: try Files.read(path), as: UTF8.self).filter { !$0.isWhitespace }
    } catch { throw CNIError(.ioFailure, "\(error)") }
    guard let name = HostName(text), !text.hasPrefix("localhost"), text != "(none)" else {
      throw CNIError(
        .invalidNetworkConfig,
        "key \"etcd.node\": missing, and the host is called \"\(text)\": want a name that no other host has")
    }
    return name
  }
}
