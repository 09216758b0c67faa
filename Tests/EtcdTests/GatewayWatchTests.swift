import CNI
import Etcd
import Testing

@Suite struct `A watch's stream` {
  private func line(_ text: String) throws -> JSONValue { try CNIJSON.decodeValue(Array(text.utf8)) }

  private func events(_ id: Int, _ header: Int, _ events: String) throws -> JSONValue {
    try line(#"{"result":{"header":{"revision":"\#(header)"},"watch_id":"\#(id)","events":[\#(events)]}}"#)
  }

  @Test func `a watch request has one watcher for each range`() {
    let watch = GatewayWatch([.prefixed("/a/"), .one("/b")], from: 5)
    #expect(watch.purpose == "watch /a/*, /b")
    #expect(
      String(decoding: watch.body, as: UTF8.self) == """
        {"create_request":{"key":"L2Ev","progress_notify":true,"range_end":"L2Ew","start_revision":"5","watch_id":"1"}}
        {"create_request":{"key":"L2I=","progress_notify":true,"start_revision":"5","watch_id":"2"}}

        """)
  }

  @Test func `a watch reports puts and deletions`() throws {
    var watch = GatewayWatch([.prefixed("/")], from: 3)
    #expect(try watch.events(in: line(#"{"result":{"header":{"revision":"9"},"watch_id":"1","created":true}}"#)) == nil)
    let received = try watch.events(
      in: events(
        1, 9,
        #"{"kv":{"key":"L2E=","create_revision":"3","mod_revision":"3","version":"1","value":"MQ==","lease":"7"}},"#
          + #"{"type":"DELETE","kv":{"key":"L2I=","mod_revision":"4"}}"#))
    let pair = EtcdPair("/a", [49], modified: 3, lease: EtcdLease(id: 7))
    // The revision of the last event, not of the store: events in between may still arrive.
    #expect(received == EtcdEvents([.put(pair), .deleted("/b")], revision: 4, revisions: [4]))
  }

  @Test func `the revision of a watch is that of its slowest watcher`() throws {
    let pair = { (revision: Int) in #"{"kv":{"key":"L2E=","mod_revision":"\#(revision)"}}"# }
    var watch = GatewayWatch([.one("/a"), .one("/b"), .one("/c")], from: 10)
    #expect(try watch.events(in: events(1, 30, pair(20)))?.revision == 9)
    #expect(try watch.events(in: events(2, 30, pair(15)))?.revision == 9)
    let progress = try line(#"{"result":{"header":{"revision":"40"},"watch_id":"3"}}"#)
    #expect(try watch.events(in: progress) == nil)
    #expect(try watch.events(in: events(2, 41, pair(41)))?.revision == 20)
    let last = try watch.events(in: events(1, 42, pair(42)))
    #expect(last?.revision == 40 && last?.revisions == [42, 41, 40])
  }

  @Test func `a watch of several ranges begins each where it ended`() {
    let watch = GatewayWatch([EtcdWatchRange(.one("/a"), from: 5), EtcdWatchRange(.one("/b"), from: 9)])
    let requests = String(decoding: watch.body, as: UTF8.self).split(separator: "\n")
    #expect(requests.map { $0.contains(#""start_revision":"5""#) } == [true, false])
    #expect(requests.map { $0.contains(#""start_revision":"9""#) } == [false, true])
  }

  @Test func `a watch reports compaction`() throws {
    var watch = GatewayWatch([.one("/a")], from: 1)
    let canceled = try line(
      #"{"result":{"header":{"revision":"9"},"watch_id":"1","canceled":true,"compact_revision":"7"}}"#)
    #expect(try watch.events(in: canceled) == EtcdEvents([], revision: 7, isCompacted: true))
  }

  @Test(arguments: [
    (
      #"{"error":{"grpc_code":14,"http_code":503,"message":"etcdserver: no leader","http_status":"x"}}"#,
      GatewayError(.unavailable, "etcdserver: no leader")
    ),
    (
      #"{"error":{"grpc_code":16,"message":"etcdserver: invalid auth token"}}"#,
      GatewayError(.staleToken, "etcdserver: invalid auth token")
    ),
    (#"{"error":"what"}"#, GatewayError(.unavailable, #""what""#)),
    (
      #"{"result":{"watch_id":"-1","created":true,"canceled":true,"cancel_reason":"permission denied"}}"#,
      GatewayError(.refused, "permission denied")
    ),
    (
      #"{"result":{"watch_id":"1","events":[{}]}}"#,
      GatewayError(.refused, #"etcd's answer: member "kv": want an object"#)
    ),
    ("[]", GatewayError(.refused, #"etcd's answer: member "result": want an object"#)),
  ])
  func `a watch reports why it ends`(text: String, refusal: GatewayError) throws {
    var watch = GatewayWatch([.one("/a")], from: 1)
    let line = try line(text)
    #expect(throws: refusal) { try watch.events(in: line) }
  }
}
