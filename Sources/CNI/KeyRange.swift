/// The numbers that keys take: the plugins' checks and the key tables of `cnictl` use the same.
public enum KeyRange {
  /// The lowest and highest MTU of an Ethernet link.
  public static let mtu = 68...65535
  public static let gwPriority = -1_000_000...99
  public static let port = 1...65535
  /// A VLAN identifier, or 0 for a tag with a priority alone.
  public static let vlanTag = 0...4094
  public static let vni = 1...0xFF_FFFF
  public static let ttl = 0...255
  public static let routingTable = 1...0xFFFF_FFFF
  /// How long keys in etcd stay, in seconds.
  public static let leaseSeconds = 10...31_536_000
  /// Addresses that a host reserves in etcd at a time.
  public static let blockSize = 2...65536
  /// A bit of the packet mark.
  public static let markBit = 0...31
  /// NFLOG groups.
  public static let logGroup = 0...65535
  /// The share of a service's connections that a back-end takes.
  public static let backEndWeight = 0...100
  /// The time between two health checks of a back-end, in seconds.
  public static let healthInterval = 1...3600
  /// The time for an answer to one, in seconds.
  public static let healthTimeout = 1...60
  /// The health checks in a row that take a back-end out or in.
  public static let healthCount = 1...10
  /// `bcqueuelen` of a macvlan link, in frames.
  public static let broadcastQueue = 1...Int(UInt32.max)
  /// Of `tuning`: the kernel has narrower limits for each kind of link.
  public static let anyMTU = 1...Int(Int32.max)
  /// Of `tuning`, in packets.
  public static let transmitQueue = 0...Int(Int32.max)
  /// An attribute of a route that has 32 bits.
  public static let routeNumber = 0...Int(UInt32.max)
  public static let routeScope = 0...255
}
