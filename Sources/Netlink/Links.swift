import CNetlink
import Glibc
import Kernel
import NetTypes

extension NetlinkSocket {
  /// The link with that name; `nil` if there is none.
  borrowing func link(_ name: InterfaceName) throws(KernelError) -> LinkInfo? {
    let request = try Request(RTM_GETLINK, 0, ifinfomsg(), doing: "look up \(name)")
    request.put(IFLA_IFNAME, name.description)
    request.put(IFLA_EXT_MASK, UInt32(RTEXT_FILTER_SKIP_STATS))
    return try ask(request, absent: [.ENODEV]).flatMap(LinkInfo.init)
  }

  /// The link with that index; `nil` if there is none.
  borrowing func link(index: Int32) throws(KernelError) -> LinkInfo? {
    var header = ifinfomsg()
    header.ifi_index = index
    let request = try Request(RTM_GETLINK, 0, header, doing: "look up link \(index)")
    request.put(IFLA_EXT_MASK, UInt32(RTEXT_FILTER_SKIP_STATS))
    return try ask(request, absent: [.ENODEV]).flatMap(LinkInfo.init)
  }

  /// Links of one kind (`nil`: any kind) and of one master (`nil`: any master).
  borrowing func links(kind: String?, master: Int32?) throws(KernelError) -> [LinkInfo] {
    let request = try Request(RTM_GETLINK, Int32(NLM_F_DUMP), ifinfomsg(), doing: "list \(kind ?? "all") links")
    if let kind { request.nest(IFLA_LINKINFO) { request.put(IFLA_INFO_KIND, kind) } }
    if let master { request.put(IFLA_MASTER, master) }
    request.put(IFLA_EXT_MASK, UInt32(RTEXT_FILTER_SKIP_STATS))
    return try dump(request).compactMap(LinkInfo.init)
  }

  /// - Parameters:
  ///   - spec: the link to create.
  ///   - parent: the index of the parent.
  ///   - otherNamespace: the descriptor of the namespace in which the link, or the peer of a pair, is created; `nil`: the
  ///     socket's.
  /// - Throws: EEXIST if one of the names is taken.
  borrowing func create(_ spec: LinkSpec, parent: Int32?, otherNamespace: Int32?) throws(KernelError) {
    let request = try Request(
      RTM_NEWLINK, Int32(NLM_F_CREATE | NLM_F_EXCL), ifinfomsg(), doing: "\(Change.createLink(spec))")
    request.putLink(name: spec.name, mac: spec.mac, mtu: spec.mtu)
    if let group = spec.group { request.put(IFLA_GROUP, UInt32(clamping: group)) }
    request.nest(IFLA_LINKINFO) {
      switch spec.kind {
      case .bridge(let filtersVLANs):
        request.put(IFLA_INFO_KIND, "bridge")
        request.nest(IFLA_INFO_DATA) {
          if filtersVLANs { request.put(IFLA_BR_VLAN_FILTERING, true) }
          request.put(Int(CNL_BR_FDB_MAX_LEARNED), UInt32(LinkSpec.maxLearnedEntries))
        }
      case .veth(let peer):
        request.put(IFLA_INFO_KIND, "veth")
        request.nest(IFLA_INFO_DATA) {
          request.nest(Int(VETH_INFO_PEER)) {
            request.append(ifinfomsg())
            request.putLink(name: peer.name, mac: peer.mac, mtu: spec.mtu)
            if let otherNamespace { request.put(IFLA_NET_NS_FD, otherNamespace) }
          }
        }
      case .childLink(let childLink, _): request.put(childLink)
      case .dummy: request.put(IFLA_INFO_KIND, "dummy")
      case .vxlan(let vxlan, _): request.put(vxlan, over: parent)
      case .vrf(let table):
        request.put(IFLA_INFO_KIND, "vrf")
        request.nest(IFLA_INFO_DATA) { request.put(IFLA_VRF_TABLE, UInt32(clamping: table)) }
      }
    }
    if let parent, spec.isChildLink { request.put(IFLA_LINK, parent) }
    if let otherNamespace, !spec.isPair { request.put(IFLA_NET_NS_FD, otherNamespace) }
    try perform(request)
  }

  /// - Parameters:
  ///   - index: the link.
  ///   - change: the settings to change.
  ///   - master: the index of `change.master`.
  ///   - operation: for errors.
  /// - Throws: the kernel's error; some of the settings may be changed then.
  borrowing func change(
    _ index: Int32, _ change: LinkChange, master: Int32?, doing operation: String
  ) throws(KernelError) {
    var header = ifinfomsg()
    header.ifi_index = index
    header.set(IFF_UP, change.isUp)
    header.set(IFF_PROMISC, change.isPromiscuous)
    header.set(IFF_ALLMULTI, change.isAllMulticast)
    let request = try Request(RTM_NEWLINK, 0, header, doing: operation)
    if let mtu = change.mtu { request.put(IFLA_MTU, UInt32(clamping: mtu)) }
    if let length = change.txQueueLength { request.put(IFLA_TXQLEN, UInt32(clamping: length)) }
    if let mac = change.mac { request.put(IFLA_ADDRESS, bytes: mac.bytes) }
    if let alias = change.alias { request.put(IFLA_IFALIAS, bytes: Array(alias.utf8)) }
    if let group = change.group { request.put(IFLA_GROUP, UInt32(clamping: group)) }
    if let master { request.put(IFLA_MASTER, master) }
    if let local = change.local { request.put(vxlanLocal: local) }
    try perform(request)
    // The kernel accepts port settings only for an existing port, so they cannot be in the request that sets the master.
    if !change.port.isEmpty { try set(change.port, on: index, doing: operation) }
  }

  private borrowing func set(_ port: BridgePort, on index: Int32, doing operation: String) throws(KernelError) {
    var header = ifinfomsg()
    header.ifi_index = index
    let request = try Request(RTM_NEWLINK, 0, header, doing: operation)
    request.nest(IFLA_LINKINFO) {
      request.put(IFLA_INFO_SLAVE_KIND, "bridge")
      request.nest(IFLA_INFO_SLAVE_DATA) {
        if let on = port.hairpin { request.put(IFLA_BRPORT_MODE, on) }
        if let on = port.isolated { request.put(IFLA_BRPORT_ISOLATED, on) }
        if let on = port.learning { request.put(IFLA_BRPORT_LEARNING, on) }
        if let on = port.neighSuppress { request.put(IFLA_BRPORT_NEIGH_SUPPRESS, on) }
        if let on = port.locked { request.put(IFLA_BRPORT_LOCKED, on) }
      }
    }
    try perform(request)
  }

  borrowing func delete(_ index: Int32, doing operation: String) throws(KernelError) {
    var header = ifinfomsg()
    header.ifi_index = index
    try perform(Request(RTM_DELLINK, 0, header, doing: operation))
  }
}

extension LinkSpec {
  var isPair: Bool { if case .veth = kind { true } else { false } }
  fileprivate var isChildLink: Bool { if case .childLink = kind { true } else { false } }
}

extension Request {
  fileprivate func putLink(name: InterfaceName, mac: MACAddress?, mtu: Int?) {
    put(IFLA_IFNAME, name.description)
    if let mac { put(IFLA_ADDRESS, bytes: mac.bytes) }
    if let mtu { put(IFLA_MTU, UInt32(clamping: mtu)) }
  }
}

extension ifinfomsg {
  fileprivate mutating func set(_ flag: Int, _ on: Bool?) {
    guard let on else { return }
    ifi_change |= UInt32(flag)
    if on { ifi_flags |= UInt32(flag) }
  }
}

extension LinkInfo {
  /// `nil` if the message does not describe a link.
  init?(_ message: Message) {
    guard message.type == RTM_NEWLINK,
      let index = message.payload.integer(at: 4, as: Int32.self),
      let flags = message.payload.integer(at: 8, as: UInt32.self)
    else { return nil }
    let attributes = message.attributes(after: MemoryLayout<ifinfomsg>.size)
    guard let name = attributes.string(IFLA_IFNAME).flatMap(InterfaceName.ofLink) else { return nil }
    let details = attributes.nested(IFLA_LINKINFO)
    self.init(
      name: name, index: index, kind: details?.string(IFLA_INFO_KIND),
      mtu: Int(attributes.integer(IFLA_MTU) ?? UInt32(0)),
      mac: attributes[IFLA_ADDRESS].flatMap(MACAddress.init(bytes:)))
    let has = { (flag: Int) in flags & UInt32(flag) != 0 }
    isUp = has(IFF_UP)
    isLoopback = has(IFF_LOOPBACK)
    isPromiscuous = has(IFF_PROMISC)
    isAllMulticast = has(IFF_ALLMULTI)
    txQueueLength = Int(attributes.integer(IFLA_TXQLEN) ?? UInt32(0))
    // IF_OPER_UNKNOWN, IF_OPER_UP (RFC 2863)
    isRunning = [0, 6].contains(attributes.integer(IFLA_OPERSTATE) ?? UInt8(0))
    alias = attributes.string(IFLA_IFALIAS)
    group = Int(attributes.integer(IFLA_GROUP) ?? UInt32(0))
    master = attributes.integer(IFLA_MASTER)
    if kind == "veth" { peerIndex = attributes.integer(IFLA_LINK) } else { parentIndex = attributes.integer(IFLA_LINK) }
    linkNetNSID = attributes.integer(IFLA_LINK_NETNSID)
    if let kind, let data = details?.nested(IFLA_INFO_DATA) { read(data, of: kind) }
    if details?.string(IFLA_INFO_SLAVE_KIND) == "bridge" {
      port = details?.nested(IFLA_INFO_SLAVE_DATA).map(BridgePort.init)
    }
  }
}

extension LinkInfo {
  /// Reads the attributes that only links of that kind have.
  private mutating func read(_ data: Attributes, of kind: String) {
    childKind = ChildLink(kind: kind, data)
    switch kind {
    case "vxlan":
      vxlan = VXLAN(data)
      parentIndex = data.integer(IFLA_VXLAN_LINK)
    case "vrf": vrfTable = data.integer(IFLA_VRF_TABLE, as: UInt32.self).map(Int.init)
    case "bridge": filtersVLANs = data.integer(IFLA_BR_VLAN_FILTERING, as: UInt8.self).map { $0 != 0 }
    default: break
    }
  }
}

extension BridgePort {
  fileprivate init(_ attributes: Attributes) {
    let flag = { (type: Int) in attributes.integer(type, as: UInt8.self).map { $0 != 0 } }
    self.init(
      hairpin: flag(IFLA_BRPORT_MODE), isolated: flag(IFLA_BRPORT_ISOLATED), learning: flag(IFLA_BRPORT_LEARNING),
      neighSuppress: flag(IFLA_BRPORT_NEIGH_SUPPRESS), locked: flag(IFLA_BRPORT_LOCKED))
  }
}
