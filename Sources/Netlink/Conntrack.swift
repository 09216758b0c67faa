import CNetlink
import Glibc
import Kernel
import NetTypes

extension NetlinkSocket {
  /// Deletes the conntrack entries of these connections in this thread's namespace; as `conntrack -D` does.
  ///
  /// - Parameters:
  ///   - connections: the connections.
  ///   - operation: for errors.
  /// - Throws: the kernel's error; some entries may be deleted then.
  borrowing func deleteConntrack(_ connections: Set<ConntrackFilter>, doing operation: String) throws(KernelError) {
    guard !connections.isEmpty else { return }
    let conntrack = try NetlinkSocket.open(NETLINK_NETFILTER)
    var local: [IPAddress: Bool] = [:]
    for group in Set(connections.map(ConntrackQuery.Group.init)) {
      let wanted = connections.filter { ConntrackQuery.Group($0) == group }
      for entry in try conntrack.entries(ConntrackQuery(group, wanted), doing: operation) {
        guard let match = wanted.first(where: entry.matches) else { continue }
        if match.address == nil, local[entry.destination] == nil {
          local[entry.destination] = try isLocal(entry.destination)
        }
        guard match.address != nil || local[entry.destination] == true else { continue }
        try conntrack.delete(entry, doing: operation)
      }
    }
  }

  private borrowing func entries(
    _ query: ConntrackQuery, doing operation: String
  ) throws(KernelError) -> [ConntrackEntry] {
    do throws(KernelError) {
      return try dump(query.request(doing: operation)).compactMap { ConntrackEntry($0, family: query.group.family) }
    } catch {
      // A kernel without conntrack, or without conntrack netlink, has no entries to delete.
      guard error.errno.isOne(of: .EINVAL, .EOPNOTSUPP, .EPROTONOSUPPORT) else { throw error }
      return []
    }
  }

  private borrowing func delete(_ entry: ConntrackEntry, doing operation: String) throws(KernelError) {
    let request = try Request(
      conntrackMessage(IPCTNL_MSG_CT_DELETE), 0, nfgenmsg(entry.family), doing: operation)
    request.put(Int(CTA_TUPLE_ORIG.rawValue) | Int(NLA_F_NESTED), bytes: Array(entry.tuple))
    if let zone = entry.zone { request.put(Int(CTA_ZONE.rawValue), bytes: Array(zone)) }
    if let id = entry.id { request.put(Int(CTA_ID.rawValue), bytes: Array(id)) }
    do throws(KernelError) { try perform(request) } catch  where error.errno == .ENOENT {}  // the entry expired
  }
}

/// A dump request: one family, one protocol unless all are wanted, and one port if only one is wanted.
private struct ConntrackQuery {
  struct Group: Hashable {
    var family: IPFamily
    var transport: TransportProtocol?

    init(_ connections: ConntrackFilter) {
      family = connections.family
      transport = connections.transport
    }
  }

  var group: Group
  var port: UInt16?

  init(_ group: Group, _ wanted: Set<ConntrackFilter>) {
    self.group = group
    let ports = Set(wanted.map { $0.port })
    port = ports.count == 1 ? ports.first : nil
  }

  /// Bits of `CTA_FILTER_ORIG_FLAGS`, which no UAPI header defines (`net/netfilter/nf_internals.h`).
  private static let protocolNumber: UInt32 = 1 << 3
  private static let destinationPort: UInt32 = 1 << 5

  /// A request for the dump; Linux < 5.8 ignores the filter, so each answer is compared again.
  func request(doing operation: String) throws(KernelError) -> Request {
    let request = try Request(
      conntrackMessage(IPCTNL_MSG_CT_GET), Int32(NLM_F_DUMP), nfgenmsg(group.family), doing: operation)
    guard let transport = group.transport else { return request }
    let nested = Int(NLA_F_NESTED)
    request.nest(Int(CTA_TUPLE_ORIG.rawValue) | nested) {
      request.nest(Int(CTA_TUPLE_PROTO.rawValue) | nested) {
        request.put(Int(CTA_PROTO_NUM.rawValue), bytes: [transport.number])
        if let port { request.put(Int(CTA_PROTO_DST_PORT.rawValue), bigEndian: port) }
      }
    }
    request.nest(Int(CTA_FILTER.rawValue) | nested) {
      let flags = port == nil ? Self.protocolNumber : Self.protocolNumber | Self.destinationPort
      request.put(Int(CTA_FILTER_ORIG_FLAGS.rawValue), flags)
    }
    return request
  }
}

/// One conntrack entry.
struct ConntrackEntry {
  var family: IPFamily
  var transport: UInt8
  /// The destination of the connection's first packet.
  var destination: IPAddress
  /// `nil` for a protocol without ports.
  var port: UInt16?
  /// Where the replies come from.
  var target: IPAddress?
  /// Where the replies go to: the source, as translated.
  var source: IPAddress?
  /// `CTA_TUPLE_ORIG` as the kernel wrote it.
  var tuple: ArraySlice<UInt8>
  var zone: ArraySlice<UInt8>?
  var id: ArraySlice<UInt8>?

  /// `nil` if the message does not describe a connection.
  init?(_ message: Message, family: IPFamily) {
    let attributes = message.attributes(after: MemoryLayout<nfgenmsg>.size)
    guard let tuple = attributes[Int(CTA_TUPLE_ORIG.rawValue)], !tuple.isEmpty,
      let parts = attributes.nested(Int(CTA_TUPLE_ORIG.rawValue)),
      let ends = parts.nested(Int(CTA_TUPLE_IP.rawValue)),
      let transport = parts.nested(Int(CTA_TUPLE_PROTO.rawValue)),
      let number: UInt8 = transport.integer(Int(CTA_PROTO_NUM.rawValue)),
      let destination = ends[Int((family == .v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST).rawValue)]
        .flatMap(IPAddress.init(bytes:))
    else { return nil }
    self.family = family
    self.transport = number
    self.destination = destination
    let port: UInt16? = transport.integer(Int(CTA_PROTO_DST_PORT.rawValue))
    self.port = port.map { UInt16(bigEndian: $0) }
    self.tuple = tuple
    let reply = attributes.nested(Int(CTA_TUPLE_REPLY.rawValue))?.nested(Int(CTA_TUPLE_IP.rawValue))
    target = reply?[Int((family == .v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC).rawValue)].flatMap(IPAddress.init(bytes:))
    source = reply?[Int((family == .v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST).rawValue)].flatMap(IPAddress.init(bytes:))
    zone = attributes[Int(CTA_ZONE.rawValue)]
    id = attributes[Int(CTA_ID.rawValue)]
  }

  func matches(_ wanted: ConntrackFilter) -> Bool {
    guard let transport = wanted.transport else { return wanted.address == destination || wanted.address == source }
    return family == wanted.family && self.transport == transport.number && port == wanted.port
      && (wanted.address == nil || wanted.address == destination) && (wanted.target == nil || wanted.target == target)
  }
}

extension nfgenmsg {
  fileprivate init(_ family: IPFamily) {
    self.init()
    nfgen_family = family.number
    version = UInt8(NFNETLINK_V0)
  }
}

private func conntrackMessage(_ type: cntl_msg_types) -> Int {
  Int(NFNL_SUBSYS_CTNETLINK) << 8 | Int(type.rawValue)
}
