public import CNI

/// Why a request was not answered as asked.
public struct GatewayRefusal: Error, Equatable, Sendable {
  public enum Kind: Equatable, Sendable {
    /// The request was not even sent.
    case unreachable
    /// No leader, no quorum, or no answer in time: it may have been carried out, and another member may know more.
    case unavailable
    /// Not now; another member would say the same.
    case later
    /// The token has ended, or was given out before users or roles changed.
    case staleToken
    /// The cluster knows no users.
    case hasNoUsers
    /// The lease that was named is not there.
    case gone
    /// The member's certificate or ours is not accepted.
    case untrusted
    /// The library that asks is missing or does not start.
    case notLoaded
    case refused
  }

  public var kind: Kind
  /// The other side's, or the library's.
  public var words: String

  public init(_ kind: Kind, _ words: String) {
    self.kind = kind
    self.words = words
  }

  /// What an answer other than HTTP 200 means.
  ///
  /// - Parameters:
  ///   - status: HTTP's.
  ///   - body: the answer; `nil` where it is no JSON. Without etcd's error in it, it is not etcd that answers, or an etcd
  ///     without a gateway.
  public init(status: Int, body: JSONValue?) {
    if let body, let known = GatewayRefusal(error: body["error"]?.object == nil ? body : body["error"] ?? body) {
      self = known
    } else {
      self.init(
        status < 500 ? .refused : .unavailable, "HTTP status \(status): want the JSON gateway of etcd 3.4 or later")
    }
  }

  /// What an error that ends a stream means: `{"grpc_code":14,"message":"…"}`.
  public init(ending error: JSONValue) {
    self = GatewayRefusal(error: error) ?? GatewayRefusal(.unavailable, error.text)
  }

  private init?(error: JSONValue) {
    guard case .integer(let code)? = error["grpc_code"] ?? error["code"], let words = error["message"]?.string else {
      return nil
    }
    self.init(code: code, words)
  }

  /// gRPC's status code; what is no error of ours to decide on is a refusal.
  ///
  /// See <https://grpc.github.io/grpc/core/md_doc_statuscodes.html> and etcd's `etcdserver/api/v3rpc/rpctypes/error.go`.
  private init(code: Int64, _ words: String) {
    self.words = words
    kind =
      switch code {
      case 1, 2, 4, 14: .unavailable  // Canceled, Unknown (a deadline, in etcd 3.4), DeadlineExceeded, Unavailable
      case 8, 11: .later  // ResourceExhausted: too many requests, no space; OutOfRange: compacted meanwhile
      case 5: .gone
      case 9: .hasNoUsers  // FailedPrecondition, which no other request of ours meets
      // Unauthenticated, and InvalidArgument, which also is a token from before users or roles changed: a second login
      // tells.
      case 16, 3: .staleToken
      default: .refused
      }
  }

  /// - Parameters:
  ///   - endpoints: who was asked.
  ///   - purpose: what was asked.
  /// - Returns: code 11 for what may go better later, code 108 for what will not, code 50 for a missing library.
  public func told(by endpoints: [String], purpose: String) -> CNIError {
    let code: CNIError.Code =
      switch kind {
      case .unreachable, .unavailable, .later, .gone: .tryAgainLater
      case .staleToken, .hasNoUsers, .untrusted, .refused: .etcdRefused
      case .notLoaded: .notAvailable
      }
    return CNIError(code, "etcd at \(endpoints.joined(separator: ", ")): \(purpose): \(words)")
  }
}
