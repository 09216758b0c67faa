import CLinux
public import NetTypes

/// Announces an address to the neighbours on a link.
public enum NeighbourAnnouncement {
  /// Sends one gratuitous ARP request or unsolicited neighbour advertisement, in this thread's network namespace.
  ///
  /// - Parameters:
  ///   - address: 4 or 16 bytes.
  ///   - mac: 6 bytes.
  ///   - link: the index of the link.
  ///   - operation: what is done, for the error.
  /// - Throws: the kernel's error; ENETDOWN if the link is down.
  public static func send(
    _ address: [UInt8], mac: [UInt8], link: Int32, doing operation: String
  ) throws(KernelError) {
    guard [4, 16].contains(address.count), mac.count == 6 else { return }
    _ = try call(operation) { unsafe cl_announce(link, mac, address, address.count) }
  }
}
