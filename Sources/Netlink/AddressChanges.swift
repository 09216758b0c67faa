import Kernel
import Linux
import NetTypes

extension LiveKernel {
  /// Adds an address, and waits until the kernel can receive packets for an IPv6 address.
  ///
  /// The kernel acknowledges an IPv6 address earlier: a work queue (`addrconf_dad_work`) adds its route and joins its
  /// multicast group, and until then a neighbour solicitation for it would be lost.
  mutating func add(_ spec: AddressSpec, doing operation: String) throws(KernelError) {
    let index = try index(of: spec.interface, on: spec.netns, for: operation)
    try perform(.add(spec, index: index), on: spec.netns)
    do throws(KernelError) {
      if spec.prefix.family == .v6, spec.skipsDAD { try awaitLocalRoute(spec, index) }
      if spec.isAnnounced, spec.netns == .host { try announce(spec, index) }
    } catch {
      try? perform(.delete(spec, index: index), on: spec.netns)  // the first error is thrown
      throw error
    }
  }

  private func awaitLocalRoute(_ spec: AddressSpec, _ index: Int32) throws(KernelError) {
    let deadline = Clock.now.advanced(bySeconds: 1)
    while Clock.now < deadline {
      let hasRoute = try withSocket(on: spec.netns) { (socket) throws(KernelError) in
        try socket.hasLocalRoute(to: spec.prefix.address, link: index)
      }
      if hasRoute { return }
      Clock.sleep(microseconds: 50)
    }
  }

  /// Announces the address to the link's neighbours; no-op on a link that is down or has no MAC address.
  private mutating func announce(_ spec: AddressSpec, _ index: Int32) throws(KernelError) {
    guard let link = try link(spec.interface, on: .host), link.isUp, let mac = link.mac else { return }
    try enterNamespace(.host) { () throws(KernelError) in
      do throws(KernelError) {
        let address = spec.prefix.address
        try NeighbourAnnouncement.send(
          address.bytes, mac: mac.bytes, link: index, doing: "announce \(address) at \(mac)")
      } catch {
        try? StandardStreams.write(Array("\(error)\n".utf8), to: StandardStreams.error)  // only a warning
      }
    }
  }

  /// Waits until duplicate address detection is complete for every IPv6 address of the link.
  mutating func awaitDAD(_ name: InterfaceName) throws(KernelError) {
    let index = try index(of: name, on: .container, for: "wait for duplicate address detection")
    let deadline = Clock.now.advanced(bySeconds: 5)
    while true {
      let states = try withSocket(on: .container) { (socket) throws(KernelError) in try socket.dadStates(of: index) }
      if let taken = states.first(where: { $0.state == .failed }) {
        throw KernelError(
          "wait for duplicate address detection of \(taken.address)", errno: .EADDRINUSE,
          reason: "another host on the link uses this address")
      }
      guard let waiting = states.first(where: { $0.state == .running }) else { return }
      guard Clock.now < deadline else {
        throw KernelError(
          "wait for duplicate address detection of \(waiting.address)", errno: .ETIMEDOUT,
          reason: "not complete after 5 seconds")
      }
      Clock.sleep(milliseconds: 20)
    }
  }

  /// Sets the link's MAC address to its present value, so that the kernel sends gratuitous ARP and neighbour advertisements.
  ///
  /// A packet socket would cost milliseconds: its close waits for an RCU grace period (`synchronize_net`).
  mutating func announce(_ mac: MACAddress, on name: InterfaceName, doing operation: String) throws(KernelError) {
    let index = try index(of: name, on: .container, for: operation)
    try withSocket(on: .container) { (socket) throws(KernelError) in
      try socket.change(index, LinkChange(mac: mac), master: nil, doing: operation)
    }
  }
}
