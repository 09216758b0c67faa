import Glibc
import Kernel
import Linux
import NetTypes

extension LiveKernel {
  /// Adds an address, and waits until the kernel can receive packets for an IPv6 address.
  ///
  /// The kernel acknowledges an IPv6 address earlier: a work queue (`addrconf_dad_work`) adds its route and joins its
  /// multicast group, and until then a neighbour solicitation for it would be lost.
  mutating func add(_ spec: AddressSpec, doing operation: String) throws(KernelError) {
    let index = try index(of: spec.interface, on: spec.side, for: operation)
    try perform(.add(spec, index: index), on: spec.side)
    if spec.prefix.family == .v6, spec.skipsDAD { try awaitTaking(spec, index) }
    if spec.isAnnounced, spec.side == .host { try announce(spec, index) }
  }

  private func awaitTaking(_ spec: AddressSpec, _ index: Int32) throws(KernelError) {
    let deadline = Clock.now.advanced(bySeconds: 1)
    while Clock.now < deadline {
      let isTaken = try looking(on: spec.side) { (socket) throws(KernelError) in
        try socket.takes(spec.prefix.address, link: index)
      }
      if isTaken { return }
      Clock.sleep(microseconds: 50)
    }
  }

  /// Announces the address; no-op on a link that is down or has no MAC address, since it has no neighbours.
  private mutating func announce(_ spec: AddressSpec, _ index: Int32) throws(KernelError) {
    guard let link = try link(spec.interface, on: .host), link.isUp, let mac = link.mac else { return }
    try within(.host) { () throws(KernelError) in
      do throws(KernelError) {
        let address = spec.prefix.address
        try Announcement.send(address.bytes, mac: mac.bytes, link: index, doing: "announce \(address) at \(mac)")
      } catch {
        try? Standard.write(Array("\(error)\n".utf8), to: Standard.error)  // the address works without it
      }
    }
  }
}
