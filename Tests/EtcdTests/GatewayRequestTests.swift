import CNI
import Etcd
import Testing

@Suite struct `A gateway request` {
  @Test(arguments: [
    (GatewayRequest.page(of: .one("/a")), "/v3/kv/range", #"{"key":"L2E=","limit":"2000"}"#, "read /a"),
    (
      .page(of: .prefixed("/a/")), "/v3/kv/range", #"{"key":"L2Ev","limit":"2000","range_end":"L2Ew"}"#, "read /a/*"
    ),
    (
      .page(of: .prefixed("/a/"), after: "/a/b", at: 1 << 62), "/v3/kv/range",
      #"{"key":"L2EvYgA=","limit":"2000","range_end":"L2Ew","revision":"4611686018427387904"}"#, "read /a/*"
    ),
    (.page(of: .prefixed("")), "/v3/kv/range", #"{"key":"AA==","limit":"2000","range_end":"AA=="}"#, "read *"),
    (.lease(seconds: 86400), "/v3/lease/grant", #"{"TTL":"86400"}"#, "grant a lease of 86400 s"),
    (
      .renewal(of: EtcdLease(id: .max)), "/v3/lease/keepalive", #"{"ID":"9223372036854775807"}"#,
      "renew lease 9223372036854775807"
    ),
    (.revocation(of: EtcdLease(id: 7)), "/v3/lease/revoke", #"{"ID":"7"}"#, "revoke lease 7"),
    (
      .login(as: "net", password: "p\"w"), "/v3/auth/authenticate", #"{"name":"net","password":"p\"w"}"#,
      "log in as net"
    ),
  ])
  func `a request has a path, a body and a purpose`(
    request: GatewayRequest, path: String, body: String, purpose: String
  ) {
    #expect(request.path == path)
    #expect(request.body.text == body)
    #expect(request.purpose == purpose)
  }

  @Test(arguments: [
    (
      EtcdTransaction.Condition.isAbsent("/a"),
      #"{"create_revision":"0","key":"L2E=","result":"EQUAL","target":"CREATE"}"#
    ),
    (.isPresent("/a"), #"{"create_revision":"0","key":"L2E=","result":"GREATER","target":"CREATE"}"#),
    (.isUnchanged("/a", since: 7), #"{"key":"L2E=","mod_revision":"7","result":"EQUAL","target":"MOD"}"#),
    (.hasValue("/a", [0]), #"{"key":"L2E=","result":"EQUAL","target":"VALUE","value":"AA=="}"#),
  ])
  func `a condition becomes a compare of the transaction`(condition: EtcdTransaction.Condition, json: String) {
    let request = GatewayRequest.transaction(EtcdTransaction(where: [condition], []))
    #expect(request.body.text == #"{"compare":[\#(json)],"failure":[],"success":[]}"#)
    #expect(request.purpose == "change /a")
  }

  @Test func `operations keep their order`() {
    let request = GatewayRequest.transaction(
      EtcdTransaction(
        [.put("/a", [1, 2, 3], lease: EtcdLease(id: 9)), .put("/b", [], lease: nil), .delete(.prefixed("/c"))],
        otherwise: [.read(.one("/d"))]))
    #expect(request.path == "/v3/kv/txn")
    #expect(
      request.body.text == #"{"compare":[],"failure":[{"request_range":{"key":"L2Q="}}],"success":["#
        + #"{"request_put":{"key":"L2E=","lease":"9","value":"AQID"}},{"request_put":{"key":"L2I=","value":""}},"#
        + #"{"request_delete_range":{"key":"L2M=","range_end":"L2Q="}}]}"#)
  }

  @Test func `the purpose names at most three keys`() {
    let puts = ["/a", "/b", "/a", "/c", "/d"].map { EtcdTransaction.Operation.put($0, [], lease: nil) }
    #expect(GatewayRequest.transaction(EtcdTransaction(puts)).purpose == "change /a, /b, /c, …")
  }
}
