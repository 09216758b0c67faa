public import CNI

/// How to reach an etcd cluster, as written; every plugin that uses etcd has the same keys.
public struct EtcdConfig: Equatable, Sendable {
  /// `https://10.0.0.1:2379`: tried in turn until one answers.
  public var endpoints: [String]
  /// CA certificates in PEM to verify the server with; `nil`: the system's.
  public var caFile: String?
  /// The client certificate of this host; `keyFile` has its private key.
  public var certFile: String?
  public var keyFile: String?
  public var username: String?
  public var password: String?
  /// A file whose first line is the password, to keep it out of the configuration.
  public var passwordFile: String?

  public init(endpoints: [String]) { self.endpoints = endpoints }

  /// Reads the keys from a JSON object.
  ///
  /// - Parameter json: the object that holds the keys.
  /// - Throws: code 7 for no endpoint, for one that is not an http or https address, for half a pair of keys, or for two
  ///   passwords.
  public init(_ json: JSONReader) throws(CNIError) {
    if let one = json["endpoints"], one.value.string != nil {
      endpoints = [try Self.checked(one)]
    } else {
      endpoints = try json.list("endpoints") { (item) throws(CNIError) in try Self.checked(item) } ?? []
    }
    guard !endpoints.isEmpty else {
      let key = json.path.isEmpty ? "endpoints" : "\(json.path).endpoints"
      throw CNIError(.invalidNetworkConfig, "key \"\(key)\": missing: want addresses of etcd: http://127.0.0.1:2379")
    }
    caFile = try json.nonEmptyText("caFile")
    certFile = try json.nonEmptyText("certFile")
    keyFile = try json.nonEmptyText("keyFile")
    username = try json.nonEmptyText("username")
    password = try json.nonEmptyText("password")
    passwordFile = try json.nonEmptyText("passwordFile")
    try Self.checkPair("certFile", certFile, "keyFile", keyFile)
    if passwordFile == nil {
      try Self.checkPair("username", username, "password", password)
    } else {
      try Self.checkPair("username", username, "passwordFile", passwordFile)
      guard password == nil else {
        throw CNIError(.invalidNetworkConfig, "keys \"password\" and \"passwordFile\": want only one of the keys")
      }
    }
  }

  private static func checkPair(
    _ key: String, _ value: String?, _ other: String, _ otherValue: String?
  ) throws(CNIError) {
    guard (value == nil) != (otherValue == nil) else { return }
    throw CNIError(.invalidNetworkConfig, "keys \"\(key)\" and \"\(other)\": want both or neither")
  }

  private static func checked(_ item: JSONReader) throws(CNIError) -> String {
    let text = try item.text()
    guard text.hasPrefix("http://") || text.hasPrefix("https://") else {
      throw item.refusal("http:// or https://, a host and a port")
    }
    return text.hasSuffix("/") ? String(text.dropLast()) : text
  }
}
