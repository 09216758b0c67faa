public import NetTypes
public import PacketFilter

/// A socket of the host that receives new connections at a port.
///
/// For TCP and SCTP this is a listening socket, for UDP one that is bound and not connected.
public struct Listener: Equatable, Sendable {
  /// The address to which it is bound; 0.0.0.0 or :: for all addresses of the family.
  public var address: IPAddress
  public var port: UInt16
  /// The inode number, as in `/proc/PID/fd`; 0 for sockets of the kernel itself.
  public var inode: UInt64
  /// Whether it is an IPv6 socket without IPv4 (IPV6_V6ONLY); other sockets bound to :: receive both.
  public var isIPv6Only: Bool

  public init(_ address: IPAddress, _ port: UInt16, inode: UInt64, isIPv6Only: Bool = false) {
    self.address = address
    self.port = port
    self.inode = inode
    self.isIPv6Only = isIPv6Only
  }

  /// Whether it receives packets to that address of the host; `nil`: to any address of that family.
  public func accepts(_ wanted: IPAddress?, _ family: IPFamily) -> Bool {
    let isForAll = address.value == 0
    guard address.family == family else { return isForAll && address.family == .v6 && !isIPv6Only }
    return isForAll || wanted == nil || wanted == address
  }
}

/// A process of the host that holds a socket.
public struct SocketHolder: Equatable, Sendable {
  public var pid: Int32
  public var inode: UInt64
  /// The command line; its words are separated by spaces.
  public var command: String

  public init(pid: Int32, inode: UInt64, command: String) {
    self.pid = pid
    self.inode = inode
    self.command = command
  }
}

/// Selects conntrack entries: those of connections that were opened to this port of the host.
public struct ConntrackFilter: Hashable, Sendable {
  /// `nil`: any protocol and port, also of connections that have `address` as their source after translation.
  public var transport: TransportProtocol?
  public var family: IPFamily
  /// The address to which they were opened; `nil`: any address of the host.
  public var address: IPAddress?
  public var port: UInt16
  /// The container that answers them; `nil`: any.
  public var target: IPAddress?

  public init(
    _ transport: TransportProtocol, _ family: IPFamily, to address: IPAddress? = nil, _ port: UInt16,
    at target: IPAddress? = nil
  ) {
    self.target = target
    self.transport = transport
    self.family = family
    self.address = address
    self.port = port
  }

  /// All connections to and from an address of the host.
  public init(all address: IPAddress) {
    (transport, family, self.address, port) = (nil, address.family, address, 0)
  }
}

extension ConntrackFilter: CustomStringConvertible {
  /// `192.0.2.1 port 53/udp`, `IPv4 port 53/udp`, `192.0.2.1`.
  public var description: String {
    guard let transport else { return address?.description ?? "IPv\(family.digit)" }
    return "\(address.map { "\($0) port" } ?? "IPv\(family.digit) port") \(port)/\(transport)"
  }
}

extension BackEnd {
  /// What to delete when it takes no connections any more; `nil` unless they are UDP, which has no end of a connection.
  public var trackedConnections: ConntrackFilter? {
    transport == .udp ? ConntrackFilter(.udp, family, to: address, port, at: target) : nil
  }
}
