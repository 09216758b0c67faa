public import CNI
import NetTypes

/// How a back-end is found to take connections: by a TCP connection, or by the answer to an HTTP request.
public struct HealthCheck: Hashable, Sendable {
  public var port: UInt16
  /// The path of the HTTP request; `nil`: an open connection is enough.
  public var path: String?
  /// The time between the starts of two probes, in seconds.
  public var interval = 5
  /// The time for the answer, in seconds.
  public var timeout = 2
  /// So many probes in a row without success take the back-end out.
  public var fall = 2
  /// So many successful probes in a row take it in again.
  public var rise = 1

  public init(_ port: UInt16, path: String? = nil) {
    self.port = port
    self.path = path
  }
}

extension HealthCheck: JSONReadable {
  public var json: JSONValue {
    .record([
      "tcp": path == nil ? .number(port) : nil, "http": path.map { .string($0) },
      "port": path == nil ? nil : .number(port), "interval": .number(interval), "timeout": .number(timeout),
      "fall": .number(fall), "rise": .number(rise),
    ])
  }

  public init(_ json: JSONReader) throws(CNIError) { try self.init(json, defaultPort: nil) }

  /// - Parameters:
  ///   - json: the key `health`.
  ///   - defaultPort: the port of HTTP requests without the key `port`.
  /// - Throws: code 7 for a value that is missing or not valid.
  public init(_ json: JSONReader, defaultPort: UInt16?) throws(CNIError) {
    let tcp = json["tcp"], http = json["http"], port = json["port"]
    if let tcp {
      guard http == nil, port == nil else { throw (http ?? tcp).refusal("\"tcp\", or \"http\" and \"port\"") }
      self.init(try tcp.portNumber())
    } else {
      guard let http else { throw json.refusal("\"tcp\" or \"http\"") }
      guard let number = try port?.portNumber() ?? defaultPort else { throw http.refusal("a key \"port\" beside it") }
      self.init(number, path: try Self.path(http))
    }
    interval = try json.number("interval", KeyRange.healthInterval) ?? interval
    timeout = try json.number("timeout", KeyRange.healthTimeout) ?? min(timeout, interval)
    if timeout > interval, let given = json["timeout"] { throw given.refusal("at most the interval, \(interval)") }
    fall = try json.number("fall", KeyRange.healthCount) ?? fall
    rise = try json.number("rise", KeyRange.healthCount) ?? rise
  }

  private static func path(_ json: JSONReader) throws(CNIError) -> String {
    let path = try json.text(), bytes = Array(path.utf8)
    guard bytes.first == UInt8(ascii: "/"), bytes.count <= 1000, bytes.allSatisfy({ (0x21...0x7E).contains($0) }) else {
      throw json.refusal("a path of up to 1000 characters without spaces that begins with /")
    }
    return path
  }
}

extension JSONReader {
  fileprivate func number(_ key: String, _ range: ClosedRange<Int>) throws(CNIError) -> Int? {
    guard let member = self[key] else { return nil }
    let number = try member.integer()
    guard range.contains(number) else { throw member.refusal("\(range.lowerBound) to \(range.upperBound)") }
    return number
  }
}
