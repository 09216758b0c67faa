import Kernel
import Linux
import NetTypes

extension LiveKernel {
  /// Whether a user set the bridge's MAC address; `nil` if sysfs is not mounted or shows another namespace.
  ///
  /// Netlink does not report `addr_assign_type`. A sysfs shows the network namespace that it was mounted in.
  func keepsMAC(_ bridge: LinkInfo) throws(KernelError) -> Bool? {
    let directory = "/sys/class/net/\(bridge.name)"
    guard try sysfsLine("\(directory)/ifindex") == "\(bridge.index)",
      try sysfsLine("\(directory)/address") == bridge.mac?.description
    else { return nil }
    // NET_ADDR_SET
    return try sysfsLine("\(directory)/addr_assign_type").map { $0 == "3" }
  }

  private func sysfsLine(_ path: String) throws(KernelError) -> String? {
    guard let bytes = try Files.readIfPresent(path) else { return nil }
    return String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
  }

  /// Makes a bridge keep its MTU when ports are added or removed.
  ///
  /// The kernel does that after a user has changed the MTU once (BROPT_MTU_SET_BY_USER). It ignores a request for the
  /// present MTU, so a different one is set first.
  func pinMTU(of index: Int32, _ mtu: Int, on netns: NetNS, doing operation: String) throws(KernelError) {
    let other = LinkChange(mtu: mtu < 65535 ? mtu + 1 : mtu - 1)
    try withSocket(on: netns) { (socket) throws(KernelError) in
      try socket.change(index, other, master: nil, doing: operation)
    }
  }
}
