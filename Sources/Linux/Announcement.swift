import CLinux
import Glibc
public import Kernel

/// Tells the neighbours on a link of this thread's network namespace where an address is.
public enum Announcement {
  /// Sends a gratuitous ARP request for an address of 4 bytes, an unsolicited neighbour advertisement for one of 16.
  ///
  /// `link` is the index of an Ethernet link with that MAC address.
  ///
  /// - Throws: the errno of socket(2) or sendto(2).
  public static func send(
    _ address: [UInt8], at mac: [UInt8], link: Int32, doing operation: String
  ) throws(KernelError) {
    _ = try call(operation) {
      address.count == 4
        ? unsafe cl_announce_ipv4(link, mac, address) : unsafe cl_announce_ipv6(link, mac, address)
    }
  }
}
