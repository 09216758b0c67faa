import CNetlink
import Glibc
import Kernel
import NetTypes

extension NetlinkSocket {
  borrowing func set(_ vlans: PortVLANs, on index: Int32, doing operation: String) throws(KernelError) {
    let add = try Request(RTM_SETLINK, 0, ifinfomsg(bridgePort: index), doing: operation)
    add.nest(IFLA_AF_SPEC) {
      if let native = vlans.native { add.putVLAN(native, BRIDGE_VLAN_INFO_PVID | BRIDGE_VLAN_INFO_UNTAGGED) }
      for range in vlans.tagged { add.putVLANs(range) }
    }
    try perform(add)
    guard !vlans.keepsDefault, let one = VLANID(1), vlans.native != one, !vlans.contains(tagged: one) else { return }
    let remove = try Request(RTM_DELLINK, 0, ifinfomsg(bridgePort: index), doing: operation)
    remove.nest(IFLA_AF_SPEC) { remove.putVLAN(one, 0) }
    do throws(KernelError) {
      try perform(remove)
    } catch  where error.errno == .ENOENT {}  // a bridge may be configured without a default VLAN
  }

  /// VLANs of one bridge port, filtered from a dump of all ports: the kernel has no filter for that.
  borrowing func vlans(of index: Int32, doing operation: String) throws(KernelError) -> PortVLANs {
    let request = try Request(RTM_GETLINK, Int32(NLM_F_DUMP), ifinfomsg(bridgePort: 0), doing: operation)
    // One entry for each VLAN would exceed the size of a message if a port has thousands of VLANs.
    request.put(IFLA_EXT_MASK, UInt32(RTEXT_FILTER_BRVLAN_COMPRESSED))
    var vlans = PortVLANs(keepsDefault: false)
    for message in try dump(request) where message.payload.integer(at: 4, as: Int32.self) == index {
      let attributes = message.attributes(after: MemoryLayout<ifinfomsg>.size)
      for entry in attributes.all(IFLA_AF_SPEC, IFLA_BRIDGE_VLAN_INFO) { vlans.add(entry) }
    }
    return vlans
  }
}

extension ifinfomsg {
  fileprivate init(bridgePort index: Int32) {
    self.init()
    ifi_family = UInt8(PF_BRIDGE)
    ifi_index = index
  }
}

extension Request {
  fileprivate func putVLAN(_ id: VLANID, _ flags: Int32) {
    let words = [UInt16(truncatingIfNeeded: flags), UInt16(id.number)]
    put(IFLA_BRIDGE_VLAN_INFO, bytes: words.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] })
  }

  fileprivate func putVLANs(_ range: ClosedRange<VLANID>) {
    guard range.lowerBound != range.upperBound else { return putVLAN(range.lowerBound, 0) }
    putVLAN(range.lowerBound, BRIDGE_VLAN_INFO_RANGE_BEGIN)
    putVLAN(range.upperBound, BRIDGE_VLAN_INFO_RANGE_END)
  }
}

extension PortVLANs {
  /// Adds one `struct bridge_vlan_info`: flags, then the VLAN ID; a range consists of two of them, first and last.
  fileprivate mutating func add(_ entry: ArraySlice<UInt8>) {
    guard let flags = entry.integer(at: 0, as: UInt16.self),
      let id = entry.integer(at: 2, as: UInt16.self).flatMap({ VLANID(Int($0)) })
    else { return }
    if id.number == 1 { keepsDefault = true }
    if flags & UInt16(BRIDGE_VLAN_INFO_PVID) != 0 {
      native = id
    } else if flags & UInt16(BRIDGE_VLAN_INFO_RANGE_END) != 0, let first = tagged.popLast()?.lowerBound {
      tagged.append(first...max(first, id))
    } else {
      tagged.append(id...id)
    }
  }
}
