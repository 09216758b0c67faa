/// A port and its protocol, as in container images and runtimes: `80/tcp`, or `80` for TCP.
public struct TransportPort: TextCodable {
  public static let expectedForm = "a port and a protocol: \"80/tcp\""

  public let number: UInt16
  public let transport: TransportProtocol

  public init?(_ text: String) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count <= 2, let number = UInt16(parts[0]), number > 0 else { return nil }
    guard let transport = parts.count == 1 ? .tcp : TransportProtocol(String(parts[1])) else { return nil }
    self.number = number
    self.transport = transport
  }

  public var description: String { "\(number)/\(transport)" }
}
