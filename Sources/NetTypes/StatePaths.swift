/// Every path below `/run`, `/var/run` and `/var/lib` that we use; where a configuration has a key for one, its default.
public enum StatePaths {}

/// Ours, until the next boot.
extension StatePaths {
  /// Locks, the leases' index, the records of packet filter rules.
  public static let run = "/run/swift-cni"
  /// The lock on links, addresses and routes that attachments share.
  public static let hostLock = "\(run)/host.lock"
  /// The lock that every ADD shares and GC takes exclusively.
  public static let attachLock = "\(run)/attach.lock"
  /// The lock of the calls of `cnictl` about one attachment or network.
  public static let networksLock = "\(run)/networks.lock"
  /// The index of the leases of each network.
  public static let leaseIndex = "\(run)/ipam"
  /// The locks of overlay networks.
  public static let overlayLocks = "\(run)/overlay"
  /// The etcd leases of networks whose hosts share floating addresses.
  public static let floating = "\(run)/floating"
  /// The etcd leases and locks of networks whose hosts share services.
  public static let services = "\(run)/services"
  /// The configuration files of the haproxy processes of services, below the directory of a network.
  public static func haproxyConfig(_ service: String, network: String) -> String {
    "\(run)/haproxy/\(network)/\(service).cfg"
  }
  /// The backups of `tuning`; the reference's directory.
  public static let tuningBackups = "/run/cni/tuning"
  /// The attachments of `dns-hosts`.
  public static let dnsHosts = "/run/cni/dns-hosts"
  /// The files of containers; beside `dnsHosts`, so that no network's directory there has the same path.
  public static let containerFiles = "/run/cni/containers"
  /// The socket of the reference's DHCP daemon.
  public static let dhcpSocket = "/run/cni/dhcp.sock"
}

/// Ours, across reboots.
extension StatePaths {
  /// The result cache, in its directory `results`; libcni's directory.
  public static let resultCache = "/var/lib/cni"
  /// The leases of `ipam-host-local`; the reference's directory.
  public static let leases = "/var/lib/cni/networks"
  /// This host's entries in etcd, and those of its attachments.
  public static let overlayRecords = "/var/lib/cni/overlay"
  /// The sources that were added to firewalld's permanent configuration.
  public static let firewalldSources = "/var/lib/cni/firewalld"
}

/// Other programs'.
extension StatePaths {
  /// The named network namespaces of `ip netns`.
  public static let namespaces = "/run/netns"
  /// Both spellings of `namespaces`: where `/var/run` is a link to `/run`, they are one directory.
  public static let namespaceSpellings = [namespaces, "/var/run/netns"]
  /// The lock of the `iptables` command (`iptables/xshared.h`).
  public static let iptablesLock = "/run/xtables.lock"
  /// The socket of the system bus.
  public static let systemBus = "/run/dbus/system_bus_socket"
  /// The list of name servers of systemd-resolved.
  public static let resolvedServers = "/run/systemd/resolve/resolv.conf"
  /// The directories of containers of Mesos' isolator `network/cni`.
  public static let mesosContainers = "/var/run/mesos/isolators/network/cni"
}
