import CNI
import Etcd
import Testing

@Suite struct `A gateway answer` {
  private func answer(_ text: String) throws -> GatewayAnswer {
    GatewayAnswer(try CNIJSON.decodeValue(Array(text.utf8)))
  }

  @Test func `an answer has pairs, the revision and whether more pairs follow`() throws {
    let first = try answer(
      #"{"header":{"cluster_id":"3136909557505662000","revision":"9007199254740993","raft_term":"2"},"#
        + #""kvs":[{"key":"L2E=","create_revision":"2","mod_revision":"3","version":"1","value":"AP8=","lease":"7"},"#
        + #"{"key":"L2I=","mod_revision":"4"}],"more":true,"count":"9"}"#
    ).page()
    let pairs = [
      EtcdPair("/a", [0, 255], modified: 3, lease: EtcdLease(id: 7)), EtcdPair("/b", [], modified: 4),
    ]
    #expect(first.pairs == EtcdPairs(pairs, revision: 9_007_199_254_740_993))
    #expect(!first.isLast)
    let none = try answer(#"{"header":{"revision":"1"}}"#).page()
    #expect(none.pairs == EtcdPairs([], revision: 1))
    #expect(none.isLast)
  }

  @Test func `a transaction without succeeded in its answer has failed`() throws {
    let won = try answer(
      #"{"header":{"revision":"2"},"succeeded":true,"responses":[{"response_put":{"header":{"revision":"2"}}}]}"#
    ).outcome()
    #expect(won == EtcdOutcome(isSuccess: true, revision: 2))
    let lost = try answer(
      #"{"header":{"revision":"5"},"responses":[{"response_delete_range":{"header":{}}},"#
        + #"{"response_range":{"header":{"revision":"5"}}},"#
        + #"{"response_range":{"kvs":[{"key":"L2E=","mod_revision":"3","value":"MQ=="}],"count":"1"}}]}"#
    ).outcome()
    #expect(
      lost == EtcdOutcome(isSuccess: false, readResults: [[], [EtcdPair("/a", [49], modified: 3)]], revision: 5))
  }

  @Test func `an answer grants an etcd lease, renews it or reports that it is gone`() throws {
    #expect(
      try answer(#"{"header":{},"ID":"6664942610126349063","TTL":"2"}"#).grantedLease()
        == EtcdLease(id: 6_664_942_610_126_349_063))
    #expect(try answer(#"{"result":{"header":{},"ID":"77","TTL":"600"}}"#).renewedSeconds() == 600)
    #expect(try answer(#"{"result":{"header":{},"ID":"77"}}"#).renewedSeconds() == nil)
    #expect(try answer(#"{"header":{},"token":"abc.9"}"#).token() == "abc.9")
  }

  @Test(arguments: [
    (#"{"header":{"revision":"1"},"kvs":[{"key":"*"}]}"#, #"member "key": want Base64"#),
    (#"{"header":{"revision":"1"},"kvs":[{"key":"L2E"}]}"#, #"member "key": want Base64"#),
    (#"{"header":{"revision":"1"},"kvs":[{"key":"L2E=","lease":"x"}]}"#, #"member "lease": want a whole number"#),
    (#"{"header":{"revision":1.5}}"#, #"member "revision": want a whole number"#),
    (#"{"header":{"revision":"1"},"kvs":{}}"#, #"member "kvs": want a list"#),
    (#"{"header":{"revision":"1"},"more":1}"#, #"member "more": want true or false"#),
    (#"{"kvs":[]}"#, #"member "header": want an object"#), ("[]", #"member "header": want an object"#),
  ])
  func `an answer in another format is refused`(text: String, reason: String) throws {
    let answer = try answer(text)
    #expect(throws: CNIError(.etcdRefused, "etcd's answer: \(reason)")) { try answer.page() }
  }

  @Test func `an answer without the requested lease or token is refused`() throws {
    let empty = try answer("{}")
    #expect(throws: CNIError.self) { try empty.grantedLease() }
    #expect(throws: CNIError.self) { try empty.token() }
    #expect(throws: CNIError.self) { try empty.renewedSeconds() }
  }

  /// Covers every length of the last base64 group, and every digit.
  @Test func `values may have any bytes`() throws {
    for count in 0...260 {
      let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 7) }
      let put = GatewayRequest.transaction(EtcdTransaction([.put("/a", bytes, lease: nil)])).body
      let text = try #require(put["success"]?.array?.first?["request_put"]?["value"]?.string)
      #expect(text.utf8.count == (count + 2) / 3 * 4)
      let page = try answer(#"{"header":{"revision":"1"},"kvs":[{"key":"L2E=","value":"\#(text)"}]}"#).page()
      #expect(page.pairs.pairs == [EtcdPair("/a", bytes)])
    }
  }
}
