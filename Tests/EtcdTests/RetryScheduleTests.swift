import Etcd
import Linux
import Testing
@testable import EtcdClient

@Suite struct `The order of members` {
  private let later = Clock.now.advanced(bySeconds: 600)

  @Test func `members are tried in turn from the last one that answered`() throws {
    var schedule = RetrySchedule(of: 3, first: 2, until: later)
    var order = [schedule.index]
    for _ in 0..<4 {
      try schedule.advance(after: GatewayError(.unavailable, "no leader"))
      order.append(schedule.index)
    }
    #expect(order == [2, 0, 1, 2, 0])
  }

  @Test(arguments: [
    GatewayError.Kind.retryLater, .staleToken, .authenticationDisabled, .leaseNotFound, .libraryMissing, .refused,
  ])
  func `an error that every member would give ends the attempts`(kind: GatewayError.Kind) {
    var schedule = RetrySchedule(of: 3, first: 0, until: later)
    #expect(throws: GatewayError(kind, "no")) { try schedule.advance(after: GatewayError(kind, "no")) }
  }

  @Test(arguments: [
    ([GatewayError.Kind.unreachable, .unreachable], GatewayError.Kind.unreachable),
    ([.untrusted, .untrusted], .untrusted), ([.untrusted, .unreachable], .unreachable),
  ])
  func `attempts end after one round if no member is reachable`(kinds: [GatewayError.Kind], kind: GatewayError.Kind)
    throws
  {
    var schedule = RetrySchedule(of: 2, first: 1, until: later)
    try schedule.advance(after: GatewayError(kinds[0], "first"))
    #expect(throws: GatewayError(kind, "first; second")) {
      try schedule.advance(after: GatewayError(kinds[1], "second"))
    }
  }

  @Test func `attempts end at the deadline`() {
    var schedule = RetrySchedule(of: 3, first: 0, until: .now)
    let silence = GatewayError(.unavailable, "silence")
    #expect(throws: silence) { try schedule.advance(after: silence) }
  }

  @Test(arguments: [(0, 500), (600, 3000)])
  func `each attempt has a minimum and a maximum time`(seconds: Int, milliseconds: Int) {
    #expect(RetrySchedule(of: 3, first: 0, until: .now.advanced(bySeconds: seconds)).milliseconds == milliseconds)
  }
}

@Suite struct `A stream` {
  @Test func `a stream is split at line ends`() {
    var lines = LineSplitter()
    lines.append(Array("ab".utf8))
    #expect(lines.next() == nil)
    #expect(!lines.hasLine)
    lines.append(Array("c\nd\n\ne".utf8))
    #expect(lines.hasLine)
    #expect([lines.next(), lines.next(), lines.next(), lines.next()] == [Array("abc".utf8), Array("d".utf8), [], nil])
    #expect(lines.rest == Array("e".utf8))
  }
}
