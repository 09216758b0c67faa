public import CNI

/// The gateway's answer to a request.
///
/// The gateway omits members with the zero value of their type: a failed transaction has no `succeeded`. Every function throws
/// code 108 for a member of another type.
public struct GatewayAnswer: Sendable {
  let json: JSONValue

  public init(_ json: JSONValue) { self.json = json }

  /// Parses one page of a read.
  ///
  /// - Returns: the pairs, and whether these are the last ones.
  public func page() throws(CNIError) -> (pairs: EtcdPairs, isLast: Bool) {
    (EtcdPairs(try pairs(), revision: try revision()), try !flag("more"))
  }

  public func outcome() throws(CNIError) -> EtcdOutcome {
    var readResults: [[EtcdPair]] = [], keyCounts: [Int] = []
    for response in try list("responses") where response["response_range"] != nil {
      let answer = try GatewayAnswer(response).member("response_range")
      readResults.append(try answer.pairs())
      keyCounts.append(Int(try answer.number("count")))
    }
    return EtcdOutcome(
      isSuccess: try flag("succeeded"), readResults: readResults, keyCounts: keyCounts, revision: try revision(),
      cluster: try member("header").text("cluster_id"))
  }

  public func grantedLease() throws(CNIError) -> EtcdLease {
    let id = try number("ID")
    guard id != 0 else { throw formatError("ID", "a lease") }
    return EtcdLease(id: id)
  }

  /// Parses the answer to a renewal.
  ///
  /// - Returns: the time to live of a renewed lease, in seconds; `nil` if the lease no longer exists.
  public func renewedSeconds() throws(CNIError) -> Int? {
    let seconds = try member("result").number("TTL")
    return seconds > 0 ? Int(seconds) : nil
  }

  public func token() throws(CNIError) -> String {
    let token = try text("token")
    guard !token.isEmpty else { throw formatError("token", "one") }
    return token
  }

  // MARK: pieces

  func revision() throws(CNIError) -> Int64 { try member("header").number("revision") }

  private func pairs() throws(CNIError) -> [EtcdPair] {
    var pairs: [EtcdPair] = []
    for pair in try list("kvs") { pairs.append(try GatewayAnswer(pair).pair()) }
    return pairs
  }

  func pair() throws(CNIError) -> EtcdPair {
    let lease = try number("lease")
    return EtcdPair(
      String(decoding: try bytes("key"), as: UTF8.self), try bytes("value"), modified: try number("mod_revision"),
      lease: lease == 0 ? nil : EtcdLease(id: lease))
  }

  func member(_ key: String) throws(CNIError) -> GatewayAnswer {
    guard let member = json[key], member.object != nil else { throw formatError(key, "an object") }
    return GatewayAnswer(member)
  }

  func list(_ key: String) throws(CNIError) -> [JSONValue] {
    guard let member = json[key] else { return [] }
    guard let list = member.array else { throw formatError(key, "a list") }
    return list
  }

  func flag(_ key: String) throws(CNIError) -> Bool {
    switch json[key] {
    case nil: return false
    case .bool(let flag): return flag
    default: throw formatError(key, "true or false")
    }
  }

  func number(_ key: String) throws(CNIError) -> Int64 {
    switch json[key] {
    case nil: return 0
    case .integer(let number): return number
    case .string(let text):
      guard let number = Int64(text) else { throw formatError(key, "a whole number") }
      return number
    default: throw formatError(key, "a whole number")
    }
  }

  func text(_ key: String) throws(CNIError) -> String {
    guard let member = json[key] else { return "" }
    guard let text = member.string else { throw formatError(key, "a string") }
    return text
  }

  private func bytes(_ key: String) throws(CNIError) -> [UInt8] {
    guard let bytes = Base64.decode(try text(key)) else { throw formatError(key, "Base64") }
    return bytes
  }

  private func formatError(_ key: String, _ wanted: String) -> CNIError {
    CNIError(.etcdRefused, "etcd's answer: member \"\(key)\": want \(wanted)")
  }
}
