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
    let request = try Request(
      RTM_NEWNEIGH, Int32(NLM_F_CREATE | NLM_F_REPLACE), header(spec, index), doing: "\(Change.setFDB(spec))")
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
      // Permanent would mean the bridge's own address; this is what iproute2 calls static.
      header.ndm_state = UInt16(NUD_NOARP)
      header.ndm_flags = UInt8(NTF_MASTER)
    case .tunnel:
      header.ndm_state = UInt16(NUD_PERMANENT)
      header.ndm_flags = UInt8(NTF_SELF)
    }
    return header
  }
}
