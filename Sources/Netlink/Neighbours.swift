import CNetlink
import Glibc
import Kernel
import NetTypes

extension Request {
  fileprivate func putFDB(_ spec: FDBSpec) {
    put(NDA_LLADDR, bytes: spec.mac.bytes)
    if case .tunnel(let end) = spec.table { put(NDA_DST, bytes: end.bytes) }
  }
}

extension Request {
  static func set(_ spec: NeighbourSpec, index: Int32) throws(KernelError) -> Request {
    let request = try Request(
      RTM_NEWNEIGH, Int32(NLM_F_CREATE | NLM_F_REPLACE), header(spec, index), doing: "\(Change.setNeighbour(spec))")
    request.put(NDA_DST, bytes: spec.address.bytes)
    if let mac = spec.mac { request.put(NDA_LLADDR, bytes: mac.bytes) }
    return request
  }

  static func delete(_ spec: NeighbourSpec, index: Int32) throws(KernelError) -> Request {
    let request = try Request(RTM_DELNEIGH, 0, header(spec, index), doing: "\(Change.deleteNeighbour(spec))")
    request.put(NDA_DST, bytes: spec.address.bytes)
    return request
  }

  static func set(_ spec: FDBSpec, index: Int32) throws(KernelError) -> Request {
    // The all-zero MAC address may have several destinations, so the new one is appended to the existing ones.
    let flags = spec.mac.isZero ? NLM_F_APPEND : NLM_F_REPLACE
    let request = try Request(
      RTM_NEWNEIGH, Int32(NLM_F_CREATE | flags), header(spec, index), doing: "\(Change.setFDB(spec))")
    request.putFDB(spec)
    return request
  }

  static func delete(_ spec: FDBSpec, index: Int32) throws(KernelError) -> Request {
    let request = try Request(RTM_DELNEIGH, 0, header(spec, index), doing: "\(Change.deleteFDB(spec))")
    request.putFDB(spec)
    return request
  }

  private static func header(_ spec: NeighbourSpec, _ index: Int32) -> ndmsg {
    var header = ndmsg()
    header.ndm_family = spec.address.family.number
    header.ndm_ifindex = index
    header.ndm_state = UInt16(NUD_PERMANENT)
    if spec.mac == nil { header.ndm_flags = UInt8(NTF_PROXY) }
    return header
  }

  private static func header(_ spec: FDBSpec, _ index: Int32) -> ndmsg {
    var header = ndmsg()
    header.ndm_family = UInt8(AF_BRIDGE)
    header.ndm_ifindex = index
    switch spec.table {
    case .master:
      // NUD_PERMANENT would mean the bridge's own address; NUD_NOARP is what bridge(8) calls `static`.
      header.ndm_state = UInt16(NUD_NOARP)
      header.ndm_flags = UInt8(NTF_MASTER)
    case .port:
      header.ndm_state = UInt16(NUD_NOARP)
      header.ndm_flags = UInt8(NTF_MASTER | NTF_STICKY)
    case .externallyLearned:
      header.ndm_state = UInt16(NUD_REACHABLE)
      header.ndm_flags = UInt8(NTF_MASTER | NTF_EXT_LEARNED)
    case .tunnel:
      header.ndm_state = UInt16(NUD_PERMANENT)
      header.ndm_flags = UInt8(NTF_SELF)
    }
    return header
  }
}

extension NetlinkSocket {
  /// FDB entries of a link and, for a bridge port, of its bridge for that port.
  ///
  /// Entries learnt from traffic and the bridge's own addresses are left out.
  borrowing func fdbEntries(of link: LinkInfo) throws(KernelError) -> [FDBSpec] {
    try dump(.fdbEntries(of: link)).compactMap { Neighbour($0)?.fdbEntries(of: link) }
  }

  /// Permanent neighbour entries of the link, without those of routing daemons (`extern_learn`) and proxy entries.
  borrowing func neighbours(of link: LinkInfo) throws(KernelError) -> [NeighbourSpec] {
    var found: [NeighbourSpec] = []
    for family in IPFamily.allCases {
      found += try dump(.neighbours(of: link, family)).compactMap { Neighbour($0)?.neighbour(on: link) }
    }
    return found
  }

  /// Adds what `fdbEntries` lists to the digest.
  borrowing func digest(_ start: TunnelDigest, fdbEntriesOf link: LinkInfo) throws(KernelError) -> TunnelDigest {
    try fold(.fdbEntries(of: link), into: start) { digest, type, payload in
      if let entry = Neighbour(type, payload)?.fdbEntries(of: link) { digest.add(entry) }
    }
  }

  /// Adds what `neighbours` lists to the digest.
  borrowing func digest(_ start: TunnelDigest, neighboursOf link: LinkInfo) throws(KernelError) -> TunnelDigest {
    var digest = start
    for family in IPFamily.allCases {
      digest = try fold(.neighbours(of: link, family), into: digest) { digest, type, payload in
        if let entry = Neighbour(type, payload)?.neighbour(on: link) { digest.add(entry) }
      }
    }
    return digest
  }
}

extension Request {
  fileprivate static func fdbEntries(of link: LinkInfo) throws(KernelError) -> Request {
    var header = ndmsg()
    header.ndm_family = UInt8(AF_BRIDGE)
    header.ndm_ifindex = link.index
    return try Request(RTM_GETNEIGH, Int32(NLM_F_DUMP), header, doing: "list forwarding entries of \(link.name)")
  }

  fileprivate static func neighbours(of link: LinkInfo, _ family: IPFamily) throws(KernelError) -> Request {
    var header = ndmsg()
    header.ndm_family = family.number
    let request = try Request(RTM_GETNEIGH, Int32(NLM_F_DUMP), header, doing: "list neighbours of \(link.name)")
    request.put(NDA_IFINDEX, link.index)
    return request
  }
}

/// `struct ndmsg` and its attributes.
private struct Neighbour {
  var link: Int32
  var state: UInt16
  var flags: UInt8
  var mac: MACAddress?
  var address: IPAddress?
  /// Whether it is a bridge's FDB entry for its port.
  var isBridgeEntry: Bool

  init?(_ message: Message) { self.init(message.type, message.payload.span) }

  init?(_ type: Int, _ payload: Span<UInt8>) {
    guard type == RTM_NEWNEIGH, let link = payload.integer(at: 4, as: Int32.self),
      let state = payload.integer(at: 8, as: UInt16.self), let flags = payload.integer(at: 10, as: UInt8.self)
    else { return nil }
    var mac: MACAddress?, address: IPAddress?, hasMaster = false
    payload.readAttributes(after: MemoryLayout<ndmsg>.size) { type, value in
      switch type {
      case NDA_LLADDR: mac = payload.mac(at: value)
      case NDA_DST: address = payload.address(at: value)
      case NDA_MASTER: hasMaster = true
      default: break
      }
    }
    (self.link, self.state, self.flags, self.mac, self.address) = (link, state, flags, mac, address)
    isBridgeEntry = hasMaster && flags & UInt8(NTF_SELF) == 0
  }

  private func has(_ flag: Int32) -> Bool { flags & UInt8(flag) != 0 }
  private func `is`(_ state: Int32) -> Bool { self.state & UInt16(state) != 0 }

  func fdbEntries(of link: LinkInfo) -> FDBSpec? {
    guard self.link == link.index, let mac else { return nil }
    if isBridgeEntry {
      if has(NTF_EXT_LEARNED) { return FDBSpec(mac, on: link.name, in: .externallyLearned) }
      return self.is(NUD_NOARP) ? FDBSpec(mac, on: link.name, in: has(NTF_STICKY) ? .port : .master) : nil
    }
    guard has(NTF_SELF), self.is(NUD_PERMANENT), !has(NTF_EXT_LEARNED), let address else { return nil }
    return FDBSpec(mac, on: link.name, in: .tunnel(to: address))
  }

  func neighbour(on link: LinkInfo) -> NeighbourSpec? {
    guard self.link == link.index, self.is(NUD_PERMANENT), !has(NTF_EXT_LEARNED), !has(NTF_PROXY), let address, let mac
    else { return nil }
    return NeighbourSpec(address, mac: mac, on: link.name, .host)
  }
}
