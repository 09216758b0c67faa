/// A port or a range of ports, of one transport protocol or of all: `514`, `514/udp`, `8000-8100/tcp`.
public struct PortSpan: TextCodable {
  public static let expectedForm =
    "a port or a range, with or without a protocol: \"514\", \"514/udp\", \"8000-8100/tcp\""

  public let ports: ClosedRange<UInt16>
  /// `nil`: all that have ports.
  public let transport: TransportProtocol?

  public init(_ ports: ClosedRange<UInt16>, _ transport: TransportProtocol? = nil) {
    self.ports = ports
    self.transport = transport
  }

  public init?(_ text: String) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    let bounds = parts[0].split(separator: "-", omittingEmptySubsequences: false).map { UInt16($0) }
    guard parts.count <= 2, bounds.count <= 2, let first = bounds[0], let last = bounds[bounds.count - 1], first > 0,
      first <= last
    else { return nil }
    if parts.count == 2 {
      guard let transport = TransportProtocol(String(parts[1])) else { return nil }
      self.init(first...last, transport)
    } else {
      self.init(first...last)
    }
  }

  public var description: String { transport.map { "\(portsText)/\($0)" } ?? portsText }

  /// `514`, `8000-8100`.
  public var portsText: String {
    ports.count == 1 ? "\(ports.lowerBound)" : "\(ports.lowerBound)-\(ports.upperBound)"
  }
}

extension [PortSpan] {
  /// The same ports with a protocol each, in order, without overlaps and gaps of nothing between them.
  public var merged: [PortSpan] {
    TransportProtocol.allCases.flatMap { transport in
      let ranges = filter { $0.transport == nil || $0.transport == transport }.map { $0.ports }
      return PortSpan.merge(ranges).map { PortSpan($0, transport) }
    }
  }
}

extension PortSpan {
  fileprivate static func merge(_ ranges: [ClosedRange<UInt16>]) -> [ClosedRange<UInt16>] {
    var merged: [ClosedRange<UInt16>] = []
    for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if let last = merged.last, Int(range.lowerBound) <= Int(last.upperBound) + 1 {
        merged[merged.count - 1] = last.lowerBound...Swift.max(last.upperBound, range.upperBound)
      } else {
        merged.append(range)
      }
    }
    return merged
  }
}
