import Linux
public import NetTypes

/// A destination that the host already reaches by an interface.
public struct HostRoute: Equatable, Sendable {
  public var destination: IPPrefix
  public var interface: String

  public init(destination: IPPrefix, interface: String) {
    self.destination = destination
    self.interface = interface
  }
}

extension HostRoute {
  /// `RTF_REJECT` and `RTF_LOCAL` of `<linux/route.h>` and `<linux/ipv6_route.h>`: routes that lead to no other host.
  private static let unusableFlags: UInt32 = 0x0200 | 0x8000_0000

  /// The lines of `/proc/net/route`; default routes are left out.
  ///
  /// Destination and mask are the address's bytes in network order, printed as one number of this machine.
  public static func parseIPv4(_ table: String) -> [HostRoute] {
    table.split(whereSeparator: \.isNewline).dropFirst().compactMap { line in
      let fields = line.split(whereSeparator: \.isWhitespace)
      guard fields.count >= 8, let destination = UInt32(fields[1], radix: 16), let mask = UInt32(fields[7], radix: 16),
        let flags = UInt32(fields[3], radix: 16), flags & unusableFlags == 0, mask != 0
      else { return nil }
      let address = IPAddress(v4: UInt32(bigEndian: destination))
      return IPPrefix(address, length: mask.nonzeroBitCount).map {
        HostRoute(destination: $0, interface: String(fields[0]))
      }
    }
  }

  /// The lines of `/proc/net/ipv6_route`; default, link-local and multicast routes are left out.
  public static func parseIPv6(_ table: String) -> [HostRoute] {
    table.split(whereSeparator: \.isNewline).compactMap { line in
      let fields = line.split(whereSeparator: \.isWhitespace)
      guard fields.count == 10, let value = UInt128(fields[0], radix: 16), let length = Int(fields[1], radix: 16),
        let flags = UInt32(fields[8], radix: 16), flags & unusableFlags == 0, length > 0
      else { return nil }
      let address = IPAddress(v6: value)
      guard !address.isLinkLocal, !address.isMulticast, fields[9] != "lo" else { return nil }
      return IPPrefix(address, length: length).map { HostRoute(destination: $0, interface: String(fields[9])) }
    }
  }
}

extension HostRoute {
  /// The routes of this process's namespace; a table that cannot be read counts as empty.
  public static func read() -> [HostRoute] {
    // A kernel without IPv6 has no such file.
    let v4 = (try? Files.read("/proc/net/route")) ?? [], v6 = (try? Files.read("/proc/net/ipv6_route")) ?? []
    return parseIPv4(String(decoding: v4, as: UTF8.self)) + parseIPv6(String(decoding: v6, as: UTF8.self))
  }
}
