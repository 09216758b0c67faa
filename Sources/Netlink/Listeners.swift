import CNetlink
import Glibc
import Kernel
import Linux
import NetTypes

/// IPv4 and IPv6 sockets that listen on one of these ports in this thread's namespace, as `ss -l` shows them.
func listeners(_ transport: TransportProtocol, _ ports: Set<UInt16>) throws(KernelError) -> [Listener] {
  guard let lowest = ports.min(), let highest = ports.max() else { return [] }
  let socket = try NetlinkSocket.open(NETLINK_SOCK_DIAG)
  var found: [Listener] = []
  for family in IPFamily.allCases {
    var header = inet_diag_req_v2()
    header.sdiag_family = family.number
    header.sdiag_protocol = transport.number
    header.idiag_states = 1 << transport.listeningState
    if lowest == highest { header.id.idiag_sport = lowest.bigEndian }
    let request = try Request(
      Int(SOCK_DIAG_BY_FAMILY), Int32(NLM_F_DUMP), header, doing: "list \(transport) sockets")
    if lowest != highest { request.put(Int(INET_DIAG_REQ_BYTECODE), bytes: filter(from: lowest, to: highest)) }
    do throws(KernelError) {
      found += try socket.dump(request).compactMap(Listener.init).filter { ports.contains($0.port) }
    } catch  where error.errno == .ENOENT {}  // the kernel cannot list sockets of this protocol
  }
  return found
}

/// The kernel's filter program for sockets of these ports.
///
/// It has two comparisons of eight bytes each. The second byte is the offset of the next operation if the comparison is
/// true, the third byte if it is false; an offset of four beyond the end rejects the socket.
private func filter(from lowest: UInt16, to highest: UInt16) -> [UInt8] {
  func operation(_ code: Int, _ port: UInt16, bytesLeft: UInt8) -> [UInt8] {
    [UInt8(code), 8, bytesLeft + 4, 0, 0, 0] + [UInt8(port & 0xFF), UInt8(port >> 8)]
  }
  return operation(Int(INET_DIAG_BC_S_GE), lowest, bytesLeft: 16)
    + operation(Int(INET_DIAG_BC_S_LE), highest, bytesLeft: 8)
}

extension TransportProtocol {
  /// The kernel's state number: TCP_LISTEN; for UDP sockets TCP_CLOSE, which means that they are not connected.
  fileprivate var listeningState: UInt32 { self == .udp ? 7 : 10 }
}

extension Listener {
  /// Reads `struct inet_diag_msg`; `nil` if the message is too short.
  init?(_ message: Message) {
    let header = Array(message.payload.prefix(MemoryLayout<inet_diag_msg>.size))
    guard header.count == MemoryLayout<inet_diag_msg>.size, let inode = header[...].integer(at: 68, as: UInt32.self)
    else { return nil }
    // The socket's identity begins after four bytes: both ports, then its address, in network byte order.
    let bytes = header[8..<(header[0] == UInt8(AF_INET6) ? 24 : 12)]
    guard let address = IPAddress(bytes: bytes) else { return nil }
    let flag: UInt8? = message.attributes(after: header.count).integer(Int(INET_DIAG_SKV6ONLY))
    // An IPv6 socket may be bound to an IPv4-mapped address.
    let mapped = address.family == .v6 && address.value >> 32 == 0xFFFF
    self.init(
      mapped ? IPAddress(v4: UInt32(truncatingIfNeeded: address.value)) : address,
      UInt16(header[4]) << 8 | UInt16(header[5]), inode: UInt64(inode), isIPv6Only: flag == 1)
  }
}

/// The processes that hold one of these sockets; processes that end during the search are left out.
func socketHolders(_ inodes: Set<UInt64>) throws(KernelError) -> [SocketHolder] {
  let names = Dictionary(uniqueKeysWithValues: inodes.map { ("socket:[\($0)]", $0) })
  var holders: [SocketHolder] = []
  for pid in try (Files.list("/proc") ?? []).compactMap({ Int32($0) }).sorted() {
    // A process that ends during the search does not hold a socket any more.
    guard let descriptors = try? Files.list("/proc/\(pid)/fd") else { continue }
    let held = Set(descriptors.compactMap { (try? Files.linkTarget("/proc/\(pid)/fd/\($0)")).flatMap { names[$0] } })
    guard !held.isEmpty else { continue }
    let line = (try? Files.readIfPresent("/proc/\(pid)/cmdline")) ?? []
    let command = String(decoding: line, as: UTF8.self).split(separator: "\0").joined(separator: " ")
    holders += held.sorted().map { SocketHolder(pid: pid, inode: $0, command: command) }
  }
  return holders
}
