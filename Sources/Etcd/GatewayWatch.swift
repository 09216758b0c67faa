public import CNI

/// Parses the stream of a watch, line by line.
public struct GatewayWatch: Sendable {
  private let keys: [EtcdKeys]
  /// For each watcher, the revision up to which it has sent everything; each range has a watcher of its own.
  private var lastRevisions: [Int64]

  /// - Parameter ranges: what to watch.
  public init(_ ranges: [EtcdWatchRange]) {
    keys = ranges.map { $0.keys }
    lastRevisions = ranges.map { $0.start - 1 }
  }

  /// - Parameters:
  ///   - keys: what to watch.
  ///   - revision: the first whose changes are wanted.
  public init(_ keys: [EtcdKeys], from revision: Int64) {
    self.init(keys.map { EtcdWatchRange($0, from: revision) })
  }

  public static let path = "/v3/watch"

  public var purpose: String { "watch \(keys.map { $0.pattern }.joined(separator: ", "))" }

  /// One request for each range, one after the other in one body.
  public var body: [UInt8] {
    zip(keys, lastRevisions).enumerated().flatMap { index, range in
      var create = range.0.members
      create["start_revision"] = .int64(range.1 + 1)
      create["watch_id"] = .int64(Int64(index + 1))
      // Without progress notifications the revision of a quiet range would be compacted some day.
      create["progress_notify"] = .bool(true)
      return JSONValue.object(["create_request": .object(create)]).bytes + [UInt8(ascii: "\n")]
    }
  }

  /// Parses one line of the stream.
  ///
  /// - Parameter line: a line of the stream.
  /// - Returns: its events; `nil` if it has none.
  /// - Throws: the reason why the watch ends.
  public mutating func events(in line: JSONValue) throws(GatewayError) -> EtcdEvents? {
    if let error = line["error"] { throw GatewayError(ending: error) }
    do throws(CNIError) {
      let answer = try GatewayAnswer(line).member("result")
      if try answer.flag("canceled") { return try end(answer) }
      let index = Int(try answer.number("watch_id")) - 1
      guard try !answer.flag("created"), lastRevisions.indices.contains(index) else { return nil }
      return try events(in: answer, of: index)
    } catch { throw GatewayError(.refused, error.message) }
  }

  private mutating func events(in answer: GatewayAnswer, of index: Int) throws(CNIError) -> EtcdEvents? {
    var events: [EtcdEvents.Event] = [], last = lastRevisions[index]
    for item in try answer.list("events") {
      let event = GatewayAnswer(item)
      let pair = try event.member("kv").pair()
      events.append(try event.text("type") == "DELETE" ? .deleted(pair.key) : .put(pair))
      last = max(last, pair.modified)
    }
    // An answer without events is a progress notification: there are no changes up to its revision.
    lastRevisions[index] = events.isEmpty ? max(last, try answer.revision()) : last
    return events.isEmpty ? nil : EtcdEvents(events, revision: lastRevisions.min() ?? last, revisions: lastRevisions)
  }

  private func end(_ answer: GatewayAnswer) throws(CNIError) -> EtcdEvents {
    let compacted = try answer.number("compact_revision")
    guard compacted == 0 else { return EtcdEvents([], revision: compacted, isCompacted: true) }
    let reason = try answer.text("cancel_reason")
    throw CNIError(.etcdRefused, reason.isEmpty ? "etcd ended the watch" : reason)
  }
}
