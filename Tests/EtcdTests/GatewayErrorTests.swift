import CNI
import Etcd
import Testing

@Suite struct `A gateway refusal` {
  @Test(arguments: [
    (
      503, #"{"error":"etcdserver: request timed out","message":"etcdserver: request timed out","code":14}"#,
      GatewayError.Kind.unavailable, "etcdserver: request timed out"
    ),
    (
      500, #"{"error":"context deadline exceeded","message":"context deadline exceeded","code":2}"#, .unavailable,
      "context deadline exceeded"
    ),
    (504, #"{"error":"x","message":"x","code":4}"#, .unavailable, "x"),
    (
      503, #"{"error":{"grpc_code":14,"http_code":503,"message":"etcdserver: no leader"}}"#, .unavailable,
      "etcdserver: no leader"
    ),
    (
      429, #"{"error":"x","message":"etcdserver: too many requests","code":8}"#, .retryLater,
      "etcdserver: too many requests"
    ),
    (
      400, #"{"error":"x","message":"etcdserver: mvcc: required revision has been compacted","code":11}"#, .retryLater,
      "etcdserver: mvcc: required revision has been compacted"
    ),
    (
      404, #"{"error":"x","message":"etcdserver: requested lease not found","code":5}"#, .leaseNotFound,
      "etcdserver: requested lease not found"
    ),
    (
      400, #"{"error":"x","message":"etcdserver: authentication is not enabled","code":9}"#, .authenticationDisabled,
      "etcdserver: authentication is not enabled"
    ),
    (
      401, #"{"error":"x","message":"etcdserver: invalid auth token","code":16}"#, .staleToken,
      "etcdserver: invalid auth token"
    ),
    (
      400, #"{"error":"x","message":"etcdserver: user name is empty","code":3}"#, .staleToken,
      "etcdserver: user name is empty"
    ),
    (
      403, #"{"error":"x","message":"etcdserver: permission denied","code":7}"#, .refused,
      "etcdserver: permission denied"
    ),
    (404, "\"Not Found\"", .refused, "HTTP status 404: want the JSON gateway of etcd 3.4 or later"),
    (502, "{}", .unavailable, "HTTP status 502: want the JSON gateway of etcd 3.4 or later"),
  ])
  func `the kind of a refusal comes from its code`(status: Int, body: String, kind: GatewayError.Kind, reason: String)
    throws
  {
    let json = try CNIJSON.decodeValue(Array(body.utf8))
    #expect(GatewayError(status: status, body: json) == GatewayError(kind, reason))
  }

  @Test(arguments: [
    (GatewayError.Kind.unreachable, CNIError.Code.tryAgainLater), (.unavailable, .tryAgainLater),
    (.retryLater, .tryAgainLater), (.leaseNotFound, .tryAgainLater), (.staleToken, .etcdRefused),
    (.authenticationDisabled, .etcdRefused),
    (.untrusted, .etcdRefused), (.refused, .etcdRefused), (.libraryMissing, .notAvailable),
  ])
  func `the error of a refusal names endpoints and request`(kind: GatewayError.Kind, code: CNIError.Code) {
    #expect(
      GatewayError(kind, "why").cniError(endpoints: ["http://a:1", "http://b:2"], purpose: "read /a")
        == CNIError(code, "etcd at http://a:1, http://b:2: read /a: why"))
  }
}
