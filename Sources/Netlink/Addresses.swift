import CNetlink
import Glibc
import Kernel
import NetTypes

extension IPFamily {
  var number: UInt8 { UInt8(self == .v4 ? AF_INET : AF_INET6) }
}

extension NetlinkSocket {
  /// Addresses of one link; the kernel filters by link, so the number of other links does not matter.
  borrowing func addresses(of index: Int32, doing operation: String) throws(KernelError) -> [IPPrefix] {
    var header = ifaddrmsg()
    header.ifa_index = UInt32(index)
    let request = try Request(RTM_GETADDR, Int32(NLM_F_DUMP), header, doing: operation)
    return try dump(request).compactMap { message in
      let attributes = message.attributes(after: MemoryLayout<ifaddrmsg>.size)
      guard let length = message.payload.integer(at: 1, as: UInt8.self),
        let address = (attributes[IFA_LOCAL] ?? attributes[IFA_ADDRESS]).flatMap(IPAddress.init(bytes:)),
        !attributes.isLinkLocalOfKernel(address)
      else { return nil }
      return IPPrefix(address, length: Int(length))
    }
  }

  /// The state of duplicate address detection for each of the link's IPv6 addresses.
  borrowing func dadStates(of index: Int32) throws(KernelError) -> [DADState] {
    var header = ifaddrmsg()
    header.ifa_family = IPFamily.v6.number
    header.ifa_index = UInt32(index)
    let request = try Request(RTM_GETADDR, Int32(NLM_F_DUMP), header, doing: "list IPv6 addresses")
    return try dump(request).compactMap(DADState.init)
  }
}

extension Attributes {
  /// Whether this is a link-local address that the kernel added to the link by itself.
  ///
  /// Linux < 5.18 does not report this (`IFA_PROTO`); then the address is recognised because it is derived from the MAC
  /// address (RFC 4291) or from a secret (RFC 7217).
  fileprivate func isLinkLocalOfKernel(_ address: IPAddress) -> Bool {
    guard address.family == .v6, address.isLinkLocal else { return false }
    if let origin = integer(IFA_PROTO, as: UInt8.self), origin != 0 { return origin == UInt8(IFAPROT_KERNEL_LL) }
    let isDerived = address.bytes[11] == 0xFF && address.bytes[12] == 0xFE
    return isDerived || integer(IFA_FLAGS, as: UInt32.self).map { $0 & UInt32(IFA_F_STABLE_PRIVACY) != 0 } == true
  }
}

/// An address and the state of its duplicate address detection.
struct DADState {
  enum State { case running, failed, done }
  var address: IPAddress
  var state: State

  init?(_ message: Message) {
    let attributes = message.attributes(after: MemoryLayout<ifaddrmsg>.size)
    guard let address = attributes[IFA_ADDRESS].flatMap(IPAddress.init(bytes:)) else { return nil }
    self.address = address
    let flags = attributes.integer(IFA_FLAGS) ?? UInt32(0)
    state = flags & UInt32(IFA_F_DADFAILED) != 0 ? .failed : flags & UInt32(IFA_F_TENTATIVE) != 0 ? .running : .done
  }
}

extension Request {
  static func add(_ spec: AddressSpec, index: Int32) throws(KernelError) -> Request {
    let header = header(spec, index)
    let request = try Request(
      RTM_NEWADDR, Int32(NLM_F_CREATE | NLM_F_EXCL), header, doing: "\(Change.addAddress(spec))")
    request.put(IFA_LOCAL, bytes: spec.prefix.address.bytes)
    request.put(IFA_ADDRESS, bytes: spec.prefix.address.bytes)
    if !spec.addsSubnetRoute {
      // The attribute replaces the header's flags, which have no bit for this flag.
      request.put(IFA_FLAGS, UInt32(header.ifa_flags) | UInt32(IFA_F_NOPREFIXROUTE))
    }
    if spec.prefix.family == .v4, spec.prefix.hostBits >= 2 {
      request.put(IFA_BROADCAST, bytes: spec.prefix.last.bytes)
    }
    if spec.prefix.family == .v6, !spec.isSource {
      // `preferred_lft 0 valid_lft forever`: the kernel avoids it as a source address (RFC 6724, rule 3).
      request.put(
        IFA_CACHEINFO, bytes: withBytes(of: ifa_cacheinfo(ifa_prefered: 0, ifa_valid: .max, cstamp: 0, tstamp: 0)))
    }
    return request
  }

  static func delete(_ spec: AddressSpec, index: Int32) throws(KernelError) -> Request {
    let request = try Request(RTM_DELADDR, 0, header(spec, index), doing: "\(Change.deleteAddress(spec))")
    request.put(IFA_LOCAL, bytes: spec.prefix.address.bytes)
    return request
  }

  private static func header(_ spec: AddressSpec, _ index: Int32) -> ifaddrmsg {
    var header = ifaddrmsg()
    header.ifa_family = spec.prefix.family.number
    header.ifa_prefixlen = UInt8(spec.prefix.length)
    header.ifa_index = UInt32(index)
    if spec.skipsDAD, spec.prefix.family == .v6 { header.ifa_flags = UInt8(IFA_F_NODAD) }
    return header
  }
}
