/// A protocol with ports (IANA protocol numbers).
public enum TransportProtocol: String, TextCodable, CaseIterable, Comparable {
  case tcp, udp, sctp

  public static let expectedForm = "tcp, udp or sctp"

  /// Parses the name in upper or lower case.
  public init?(_ text: String) { self.init(rawValue: text.lowercased()) }

  public var description: String { rawValue }

  public var number: UInt8 {
    switch self {
    case .tcp: 6
    case .udp: 17
    case .sctp: 132
    }
  }

  public static func < (left: Self, right: Self) -> Bool { left.number < right.number }
}
