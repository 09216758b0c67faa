extension Lab {
  /// Sends broadcast frames from `eth0` of a container: 20 from `mac`, and one from each of `others` further addresses.
  public func sendForged(from mac: String, others: Int = 0, in container: String) throws {
    try shell(
      """
      python3 - <<'END'
      socket, struct = map(__import__, ("socket", "struct"))
      link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
      link.bind(("eth0", 0))
      rest = b"\\x88\\xb5" + bytes(50)
      for _ in range(20): link.send(b"\\xff" * 6 + bytes.fromhex("\(mac)".replace(":", "")) + rest)
      for number in range(\(others)): link.send(b"\\xff" * 6 + b"\\x02\\x99" + struct.pack(">I", number) + rest)
      END
      """, in: container)
  }

  /// Sends a router advertisement of 2001:db8:bad::/64 and a default route from `eth0` of a container.
  ///
  /// - Throws: also if the container's link-local address is still tentative.
  public func sendRouterAdvertisement(in container: String) throws {
    try shell(
      """
      python3 - <<'E'
      from socket import *
      from struct import pack
      link = if_nametoindex("eth0")
      out = socket(AF_INET6, SOCK_RAW, 58)
      out.setsockopt(41, 18, 255)
      out.setsockopt(41, 17, link)
      prefix = pack("!BBBBIII", 3, 4, 64, 0xc0, 86400, 14400, 0) + inet_pton(AF_INET6, "2001:db8:bad::")
      out.sendto(pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0) + prefix, ("ff02::1", 0, 0, link))
      E
      """, in: container)
  }
}
