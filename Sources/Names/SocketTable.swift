public import NetTypes

/// The sockets of a network namespace, as `/proc/PID/net/udp` and `udp6` list them.
public struct SocketTable {
  private let rows: [(local: String, inode: String)]

  public init(_ text: String) {
    rows = text.split(separator: "\n").dropFirst().compactMap { line in
      let fields = line.split(separator: " ", omittingEmptySubsequences: true)
      return fields.count > 9 ? (String(fields[1]), String(fields[9])) : nil
    }
  }

  /// The inodes of the sockets that are bound to exactly this address and port, not to a wildcard.
  public func inodes(boundTo address: IPAddress, port: UInt16) -> [String] {
    let local = "\(Self.words(address)):\(port.hexDigits.uppercased())"
    return rows.filter { $0.local == local }.map { $0.inode }
  }

  /// The address as the kernel prints it: each 32-bit word, in network byte order, read as a number of this machine.
  private static func words(_ address: IPAddress) -> String {
    let bytes = address.bytes
    return stride(from: 0, to: bytes.count, by: 4).map { start in
      let word = bytes[start..<start + 4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
      return word.bigEndian.hexDigits.uppercased()
    }.joined()
  }
}
