import CNI
import Etcd
import Linux

extension Transfer {
  /// Sends a request and returns its answer.
  mutating func post(_ request: GatewayRequest, by route: Route) throws(GatewayRefusal) -> GatewayAnswer {
    try begin(request.path, request.body.bytes, by: route)
    var answer: [UInt8] = [], isOver = false
    while !isOver {
      isOver = try advance(milliseconds: 1000)
      answer += take()
    }
    let json = Self.json(answer)
    guard status == 200, let json else { throw GatewayRefusal(status: status, body: json) }
    return GatewayAnswer(json)
  }

  /// Begins a watch, and waits until the member has accepted it.
  ///
  /// - Returns: the lines received so far.
  mutating func beginWatch(_ watch: GatewayWatch, by route: Route) throws(GatewayRefusal) -> LineSplitter {
    var route = route, lines = LineSplitter()
    let patience = Clock.now.advanced(byMilliseconds: route.milliseconds ?? 0)
    route.milliseconds = nil
    try begin(GatewayWatch.path, watch.body, by: route)
    while status != 200 || !lines.hasLine {
      let isOver = try advance(milliseconds: patience.millisecondsLeft)
      lines.append(take())
      if isOver { throw GatewayRefusal(status: status, body: Self.json(lines.rest)) }
      let isBegun = status == 200 && lines.hasLine
      guard isBegun || patience.millisecondsLeft > 0 else { throw GatewayRefusal(.unavailable, "no answer") }
    }
    return lines
  }

  /// Passes the events of a watch to `body` until it returns false or the time is over.
  mutating func follow(
    _ watch: inout GatewayWatch, _ lines: consuming LineSplitter, until deadline: Clock, _ body: (EtcdEvents) -> Bool
  ) throws(GatewayRefusal) {
    defer { end() }
    while true {
      while let line = lines.next() {
        guard let json = Self.json(line) else { throw GatewayRefusal(.refused, "a line that is no JSON") }
        guard let events = try watch.events(in: json) else { continue }
        guard body(events), !events.isCompacted else { return }
      }
      guard deadline.millisecondsLeft > 0 else { return }
      let isOver = try advance(milliseconds: deadline.millisecondsLeft)
      lines.append(take())
      guard !isOver || lines.hasLine else { throw GatewayRefusal(.unavailable, "the connection ended") }
    }
  }

  private static func json(_ bytes: [UInt8]) -> JSONValue? {
    do throws(CNIError) { return try CNIJSON.decodeValue(bytes) } catch { return nil }
  }
}

/// Cuts a stream into lines.
struct LineSplitter {
  private(set) var rest: [UInt8] = []

  var hasLine: Bool { rest.contains(UInt8(ascii: "\n")) }

  mutating func append(_ bytes: [UInt8]) { rest += bytes }

  /// The next complete line; `nil` if there is none yet.
  mutating func next() -> [UInt8]? {
    guard let end = rest.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
    defer { rest.removeSubrange(...end) }
    return Array(rest[..<end])
  }
}
