public import CNI

/// A request to etcd's JSON gateway, version 3: its path and its body.
///
/// The gateway wants 64-bit numbers as strings, and keys and values in Base64; see
/// <https://etcd.io/docs/v3.4/dev-guide/api_grpc_gateway/>.
public struct GatewayRequest: Equatable, Sendable {
  /// `/v3/kv/range`.
  public var path: String
  public var body: JSONValue
  /// "read /a", for errors; never contains a value, which may be a secret.
  public var purpose: String

  /// The number of pairs in one answer: the gateway limits an answer to some megabytes.
  static let pageSize: Int64 = 2000

  /// The first pairs of these keys, or those that follow a page.
  ///
  /// - Parameters:
  /// - Parameters:
  ///   - keys: the keys to read.
  ///   - last: the last key of the previous page.
  ///   - revision: the first page's revision, so that all pages have the same state; `nil`: the current one of a quorum.
  /// - Returns: the request for at most `pageSize` pairs.
  public static func page(of keys: EtcdKeys, after last: String? = nil, at revision: Int64? = nil) -> GatewayRequest {
    var body = keys.members
    body["limit"] = .int64(pageSize)
    if let last { body["key"] = .base64(Array(last.utf8) + [0]) }
    if let revision { body["revision"] = .int64(revision) }
    return GatewayRequest(path: "/v3/kv/range", body: .object(body), purpose: "read \(keys.pattern)")
  }

  public static func transaction(_ transaction: EtcdTransaction) -> GatewayRequest {
    let keys = transaction.operations.map { $0.keys.pattern } + transaction.conditions.map { $0.key }
    var listed: [String] = []
    for key in keys where !listed.contains(key) { listed.append(key) }
    if listed.count > 3 { listed = listed.prefix(3) + ["…"] }
    return GatewayRequest(
      path: "/v3/kv/txn",
      body: .object([
        "compare": .array(transaction.conditions.map { $0.json }),
        "success": .array(transaction.operations.map { $0.json }),
        "failure": .array(transaction.otherwise.map { $0.json }),
      ]), purpose: "change \(listed.joined(separator: ", "))")
  }

  public static func lease(seconds: Int) -> GatewayRequest {
    GatewayRequest(
      path: "/v3/lease/grant", body: .object(["TTL": .int64(Int64(seconds))]),
      purpose: "grant a lease of \(seconds) s")
  }

  public static func renewal(of lease: EtcdLease) -> GatewayRequest {
    GatewayRequest(
      path: "/v3/lease/keepalive", body: .object(["ID": .int64(lease.id)]), purpose: "renew lease \(lease.id)")
  }

  public static func revocation(of lease: EtcdLease) -> GatewayRequest {
    GatewayRequest(
      path: "/v3/lease/revoke", body: .object(["ID": .int64(lease.id)]), purpose: "revoke lease \(lease.id)")
  }

  /// A request to log in.
  ///
  /// - Returns: the request for a token, which goes into the header `Authorization`.
  public static func login(as username: String, password: String) -> GatewayRequest {
    GatewayRequest(
      path: "/v3/auth/authenticate",
      body: .object(["name": .string(username), "password": .string(password)]), purpose: "log in as \(username)")
  }
}

extension EtcdKeys {
  var pattern: String {
    switch self {
    case .one(let key): key
    case .prefixed(let start): "\(start)*"
    }
  }

  /// `key` and, for a prefix, `range_end`: the first key after those with the prefix.
  var members: [String: JSONValue] {
    switch self {
    case .one(let key): return ["key": .base64(Array(key.utf8))]
    case .prefixed(let start):
      var end = Array(start.utf8)
      // UTF-8 has no byte 255, so the last byte can always be incremented.
      guard let last = end.popLast() else { return ["key": .base64([0]), "range_end": .base64([0])] }
      return ["key": .base64(Array(start.utf8)), "range_end": .base64(end + [last + 1])]
    }
  }

  /// Only keys that were changed at this revision or later.
  fileprivate func members(changedAt first: Int64) -> [String: JSONValue] {
    var members = members
    members["min_mod_revision"] = .int64(first)
    return members
  }
}

extension EtcdTransaction.Condition {
  fileprivate var key: String {
    switch self {
    case .isAbsent(let key), .isPresent(let key), .isUnchanged(let key, _), .hasValue(let key, _): key
    }
  }

  fileprivate var json: JSONValue {
    let (target, result, member, value): (JSONValue, JSONValue, String, JSONValue) =
      switch self {
      case .isAbsent: ("CREATE", "EQUAL", "create_revision", .int64(0))
      case .isPresent: ("CREATE", "GREATER", "create_revision", .int64(0))
      case .isUnchanged(_, let revision): ("MOD", "EQUAL", "mod_revision", .int64(revision))
      case .hasValue(_, let value): ("VALUE", "EQUAL", "value", .base64(value))
      }
    return .object(["key": .base64(Array(key.utf8)), "target": target, "result": result, member: value])
  }
}

extension EtcdTransaction.Operation {
  fileprivate var keys: EtcdKeys {
    switch self {
    case .put(let key, _, _): .one(key)
    case .delete(let keys), .read(let keys), .readChanges(let keys, _): keys
    }
  }

  fileprivate var json: JSONValue {
    switch self {
    case .read(let keys): .object(["request_range": .object(keys.members)])
    case .readChanges(let keys, let revision):
      .object(["request_range": .object(keys.members(changedAt: revision + 1))])
    case .delete(let keys): .object(["request_delete_range": .object(keys.members)])
    case .put(let key, let value, let lease):
      .object([
        "request_put": .record([
          "key": .base64(Array(key.utf8)), "value": .base64(value), "lease": lease.map { .int64($0.id) },
        ])
      ])
    }
  }
}

extension JSONValue {
  static func base64(_ bytes: [UInt8]) -> JSONValue { .string(Base64.encode(bytes)) }
  static func int64(_ number: Int64) -> JSONValue { .string(String(number)) }
}
