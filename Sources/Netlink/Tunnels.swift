import CNetlink
import Kernel
import NetTypes

extension Request {
  /// Adds the attributes that move a VXLAN device to another address of the host and keep its other settings.
  func put(vxlanLocal local: IPAddress) {
    nest(IFLA_LINKINFO) {
      put(IFLA_INFO_KIND, "vxlan")
      nest(IFLA_INFO_DATA) { put(local.family == .v4 ? IFLA_VXLAN_LOCAL : IFLA_VXLAN_LOCAL6, bytes: local.bytes) }
    }
  }

  /// `IFLA_INFO_KIND` and `IFLA_INFO_DATA` of a VXLAN device; `link`: the index of the link that sends its packets.
  func put(_ vxlan: VXLAN, over link: Int32?) {
    put(IFLA_INFO_KIND, "vxlan")
    nest(IFLA_INFO_DATA) {
      put(IFLA_VXLAN_ID, UInt32(clamping: vxlan.vni))
      put(IFLA_VXLAN_PORT, bigEndian: vxlan.port)
      put(IFLA_VXLAN_LEARNING, vxlan.learns)
      if vxlan.learns { put(IFLA_VXLAN_LIMIT, UInt32(VXLAN.maxLearnedEntries)) }
      if let link { put(IFLA_VXLAN_LINK, link) }
      if let local = vxlan.local {
        put(local.family == .v4 ? IFLA_VXLAN_LOCAL : IFLA_VXLAN_LOCAL6, bytes: local.bytes)
      }
      if let group = vxlan.group {
        put(group.family == .v4 ? IFLA_VXLAN_GROUP : IFLA_VXLAN_GROUP6, bytes: group.bytes)
      }
      if let ttl = vxlan.ttl { put(IFLA_VXLAN_TTL, bytes: [UInt8(clamping: ttl)]) }
      if let df = vxlan.df { put(IFLA_VXLAN_DF, bytes: [df.number]) }
      if let on = vxlan.udpChecksum { put(IFLA_VXLAN_UDP_CSUM, on) }
      if let on = vxlan.sendsZeroChecksums { put(IFLA_VXLAN_UDP_ZERO_CSUM6_TX, on) }
      if let on = vxlan.acceptsZeroChecksums { put(IFLA_VXLAN_UDP_ZERO_CSUM6_RX, on) }
    }
  }
}

extension VXLAN {
  /// `nil` if the attributes have no VNI.
  init?(_ data: Attributes) {
    guard let vni = data.integer(IFLA_VXLAN_ID, as: UInt32.self) else { return nil }
    let flag = { (type: Int) in data.integer(type, as: UInt8.self).map { $0 != 0 } }
    self.init(vni: Int(vni), port: data.integer(IFLA_VXLAN_PORT, as: UInt16.self)?.byteSwapped ?? 0)
    local = (data[IFLA_VXLAN_LOCAL] ?? data[IFLA_VXLAN_LOCAL6]).flatMap(IPAddress.init(bytes:))
    group = (data[IFLA_VXLAN_GROUP] ?? data[IFLA_VXLAN_GROUP6]).flatMap(IPAddress.init(bytes:))
    ttl = data.integer(IFLA_VXLAN_TTL, as: UInt8.self).map(Int.init)
    df = data.integer(IFLA_VXLAN_DF, as: UInt8.self).flatMap { number in
      DontFragment.allCases.first { $0.number == number }
    }
    learns = flag(IFLA_VXLAN_LEARNING) ?? false
    udpChecksum = flag(IFLA_VXLAN_UDP_CSUM)
    sendsZeroChecksums = flag(IFLA_VXLAN_UDP_ZERO_CSUM6_TX)
    acceptsZeroChecksums = flag(IFLA_VXLAN_UDP_ZERO_CSUM6_RX)
  }
}

extension VXLAN.DontFragment {
  fileprivate var number: UInt8 {
    switch self {
    case .unset: UInt8(VXLAN_DF_UNSET.rawValue)
    case .set: UInt8(VXLAN_DF_SET.rawValue)
    case .inherit: UInt8(VXLAN_DF_INHERIT.rawValue)
    }
  }
}
