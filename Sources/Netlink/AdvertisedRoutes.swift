import CNetlink
import Glibc
import NetTypes

extension NetlinkSocket {
  /// Indices of the links with IPv6 routes from router advertisements (`ip -6 route show table all proto ra`).
  borrowing func linksWithAdvertisedRoutes() throws(KernelError) -> [Int32] {
    var header = rtmsg()
    header.rtm_family = IPFamily.v6.number
    header.rtm_protocol = UInt8(RTPROT_RA)
    let request = try Request(
      RTM_GETROUTE, Int32(NLM_F_DUMP), header, doing: "list routes of router advertisements")
    let links = try dump(request).compactMap { (message) -> Int32? in
      guard message.payload.integer(at: 5, as: UInt8.self) == UInt8(RTPROT_RA) else { return nil }
      return message.attributes(after: MemoryLayout<rtmsg>.size).integer(Int(RTA_OIF.rawValue))
    }
    return Set(links).sorted()
  }
}
