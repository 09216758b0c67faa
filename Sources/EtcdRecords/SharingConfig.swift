public import CNI
public import Etcd
import Linux
public import NetTypes

/// The key `etcd` of a plugin that shares records of attachments with the network's other hosts.
public struct SharingConfig: Equatable, Sendable {
  public var etcd: EtcdConfig
  /// The prefix of the keys; `nil`: the plugin's default.
  public var prefix: String?
  /// The unique name of this host; `nil` for the kernel's hostname.
  public var node: HostName?
  /// The TTL of this host's etcd lease, in seconds: its records disappear if the lease is not renewed in that time.
  public var leaseSeconds: Int

  public static let defaultLeaseSeconds = 86400
}

extension SharingConfig: JSONReadable {
  public init(_ json: JSONReader) throws(CNIError) {
    etcd = try EtcdConfig(json)
    if var given = try json.nonEmptyText("prefix") {
      guard given.hasPrefix("/") else { throw try json.required("prefix").refusal("an absolute path") }
      while given.hasSuffix("/") { given.removeLast() }
      prefix = given
    }
    node = try json.parsed("node")
    leaseSeconds = try json.integer("leaseTTL") ?? Self.defaultLeaseSeconds
    guard KeyRange.leaseSeconds.contains(leaseSeconds) else {
      throw try json.required("leaseTTL").refusal("10 to 31536000 seconds")
    }
  }

  /// The name of this host: the key `node`, else the kernel's hostname.
  ///
  /// - Throws: code 7 if the key is missing and the hostname is empty, not valid or not unique, such as `localhost`.
  public func thisNode() throws(CNIError) -> HostName {
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
