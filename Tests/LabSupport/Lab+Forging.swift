extension Lab {
  /// Sends broadcast frames out of `eth0` of a container: 20 from `mac`, and one from each of `others` further addresses.
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
}
