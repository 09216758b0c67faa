public import CNI
public import NetTypes

/// The configuration of the dnsmasq that `dns-hosts` runs for one network.
public struct DnsmasqConfig: Equatable, Sendable {
  public var network: NetworkName
  /// The addresses on which it listens: addresses of the network's bridge.
  public var addresses: [IPAddress]
  /// The domain of the containers; names below it are never forwarded to another server (`local=`).
  public var domain: HostName?
  /// The servers for all other names; if empty, those of the host's `/etc/resolv.conf`, in their order.
  public var upstreams: [IPAddress]
  /// The directory with a file for each attachment.
  public var hostsdir: String
  public var pidFile: String

  public init(
    network: NetworkName, addresses: [IPAddress], domain: HostName?, upstreams: [IPAddress], hostsdir: String,
    pidFile: String
  ) {
    self.network = network
    self.addresses = addresses
    self.domain = domain
    self.upstreams = upstreams
    self.hostsdir = hostsdir
    self.pidFile = pidFile
  }

  private static let listen = "listen-address="

  /// The configuration file's text.
  ///
  /// `local=/NETWORK/` is not written, because a network named `app` would hide that top-level domain. `no-hosts`: the
  /// host's `/etc/hosts` is not for containers. `domain-needed`: unknown short names are not forwarded.
  public var text: String {
    var lines = ["# Written by dns-hosts for network \(network), and again whenever it changes.", "bind-dynamic"]
    lines += addresses.sorted().map { "\(Self.listen)\($0)" }
    lines += ["except-interface=lo", "no-hosts", "domain-needed", "strict-order"]
    if let domain { lines += ["domain=\(domain)", "local=/\(domain)/", "expand-hosts"] }
    if !upstreams.isEmpty { lines += ["no-resolv"] + upstreams.map { "server=\($0)" } }
    lines += ["hostsdir=\(hostsdir)", "pid-file=\(pidFile)"]
    return lines.map { $0 + "\n" }.joined()
  }

  /// The addresses in the text of such a configuration file.
  public static func addresses(in text: String) -> [IPAddress] {
    text.split(separator: "\n").filter { $0.hasPrefix(listen) }.compactMap {
      IPAddress(String($0.dropFirst(listen.count)))
    }
  }
}
