public import CNI

/// The reason why a request failed.
public struct GatewayError: Error, Equatable, Sendable {
  public enum Kind: Equatable, Sendable {
    /// The request was not sent.
    case unreachable
    /// No leader, no quorum, or no answer in time: it may have been carried out, and another member may answer.
    case unavailable
    /// Not possible at present; another member would answer the same.
    case retryLater
    /// The token has expired, or is older than a change of users or roles.
    case staleToken
    /// The cluster has no authentication.
    case authenticationDisabled
    /// The lease in the request does not exist.
    case leaseNotFound
    /// A certificate, the member's or this host's, is not accepted.
    case untrusted
    /// libcurl is missing or cannot be initialised.
    case libraryMissing
    case refused
  }

  public var kind: Kind
  /// The message of etcd or of libcurl.
  public var message: String

  public init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }

  /// Interprets an answer with another status than 200.
  ///
  /// - Parameters:
  ///   - status: the HTTP status.
  ///   - body: the answer; `nil` if it is not JSON. Without etcd's error in it, the answer comes from another server, or from an
  ///     etcd without a gateway.
  public init(status: Int, body: JSONValue?) {
    if let body, let parsed = GatewayError(error: body["error"]?.object == nil ? body : body["error"] ?? body) {
      self = parsed
    } else {
      self.init(
        status < 500 ? .refused : .unavailable, "HTTP status \(status): want the JSON gateway of etcd 3.4 or later")
    }
  }

  /// Interprets an error that ends a stream: `{"grpc_code":14,"message":"…"}`.
  public init(ending error: JSONValue) {
    self = GatewayError(error: error) ?? GatewayError(.unavailable, error.text)
  }

  private init?(error: JSONValue) {
    guard case .integer(let code)? = error["grpc_code"] ?? error["code"], let message = error["message"]?.string else {
      return nil
    }
    self.init(code: code, message)
  }

  /// Interprets gRPC's status code; a code that needs no decision here is `refused`.
  ///
  /// See <https://grpc.github.io/grpc/core/md_doc_statuscodes.html> and etcd's `etcdserver/api/v3rpc/rpctypes/error.go`.
  private init(code: Int64, _ message: String) {
    self.message = message
    kind =
      switch code {
      case 1, 2, 4, 14: .unavailable  // Canceled, Unknown (a deadline, in etcd 3.4), DeadlineExceeded, Unavailable
      case 8, 11: .retryLater  // ResourceExhausted: too many requests, no space; OutOfRange: compacted meanwhile
      case 5: .leaseNotFound
      case 9: .authenticationDisabled  // FailedPrecondition, which none of our other requests causes
      // Unauthenticated; or InvalidArgument, which etcd also returns for a token older than a change of users or roles: a second
      // login decides.
      case 16, 3: .staleToken
      default: .refused
      }
  }

  /// The refusal as a CNI error.
  ///
  /// - Parameters:
  ///   - endpoints: the members.
  ///   - purpose: what the request was for.
  /// - Returns: code 11 if a later try may succeed, code 108 if not, code 50 for a missing library.
  public func cniError(endpoints: [String], purpose: String) -> CNIError {
    let code: CNIError.Code =
      switch kind {
      case .unreachable, .unavailable, .retryLater, .leaseNotFound: .tryAgainLater
      case .staleToken, .authenticationDisabled, .untrusted, .refused: .etcdRefused
      case .libraryMissing: .notAvailable
      }
    return CNIError(code, "etcd at \(endpoints.joined(separator: ", ")): \(purpose): \(message)")
  }
}
