public import NetTypes

/// A socket of the host that takes what arrives at a port: TCP's and SCTP's that listen, UDP's that are bound and talk
/// to nobody in particular.
public struct Listener: Equatable, Sendable {
  /// The address it is bound to; 0.0.0.0 or :: for all of the family.
  public var address: IPAddress
  public var port: UInt16
  /// Names the socket in `/proc/PID/fd`; 0 for the kernel's own.
  public var inode: UInt64
  /// An IPv6 socket that leaves IPv4 alone; others that are bound to :: take both.
  public var isIPv6Only: Bool

  public init(_ address: IPAddress, _ port: UInt16, inode: UInt64, isIPv6Only: Bool = false) {
    self.address = address
    self.port = port
    self.inode = inode
    self.isIPv6Only = isIPv6Only
  }

  /// Whether it takes what comes to that address of the host; `nil`: to any of that family.
  public func takes(_ wanted: IPAddress?, _ family: IPFamily) -> Bool {
    let isForAll = address.value == 0
    guard address.family == family else { return isForAll && address.family == .v6 && !isIPv6Only }
    return isForAll || wanted == nil || wanted == address
  }
}

/// A process of the host that holds a socket.
public struct SocketHolder: Equatable, Sendable {
  public var pid: Int32
  public var inode: UInt64
  /// Its command line, the words apart by blanks.
  public var command: String

  public init(pid: Int32, inode: UInt64, command: String) {
    self.pid = pid
    self.inode = inode
    self.command = command
  }
}

/// Which connections that conntrack remembers are meant: those that were opened towards this port of the host.
public struct TrackedConnections: Hashable, Sendable {
  public var transport: TransportProtocol
  public var family: IPFamily
  /// The address they were opened towards; `nil`: any one of the host's.
  public var address: IPAddress?
  public var port: UInt16

  public init(_ transport: TransportProtocol, _ family: IPFamily, to address: IPAddress? = nil, _ port: UInt16) {
    self.transport = transport
    self.family = family
    self.address = address
    self.port = port
  }
}

extension TrackedConnections: CustomStringConvertible {
  /// `192.0.2.1:53/udp`, `IPv4 port 53/udp`.
  public var description: String {
    "\(address.map { "\($0) port" } ?? "IPv\(family.digit) port") \(port)/\(transport)"
  }
}
