import Etcd
import Linux
import Testing
@testable import EtcdClient

@Suite struct `The turns of members` {
  private let later = Clock.now.advanced(bySeconds: 600)

  @Test func `go round from whoever answered last`() throws {
    var turns = Turns(of: 3, first: 2, until: later)
    var order = [turns.index]
    for _ in 0..<4 {
      try turns.goOn(after: GatewayRefusal(.unavailable, "no leader"))
      order.append(turns.index)
    }
    #expect(order == [2, 0, 1, 2, 0])
  }

  @Test(arguments: [GatewayRefusal.Kind.later, .staleToken, .hasNoUsers, .gone, .notLoaded, .refused])
  func `end with what every member would say`(kind: GatewayRefusal.Kind) {
    var turns = Turns(of: 3, first: 0, until: later)
    #expect(throws: GatewayRefusal(kind, "no")) { try turns.goOn(after: GatewayRefusal(kind, "no")) }
  }

  @Test(arguments: [
    ([GatewayRefusal.Kind.unreachable, .unreachable], GatewayRefusal.Kind.unreachable),
    ([.untrusted, .untrusted], .untrusted), ([.untrusted, .unreachable], .unreachable),
  ])
  func `end after one round where nobody is there`(kinds: [GatewayRefusal.Kind], kind: GatewayRefusal.Kind) throws {
    var turns = Turns(of: 2, first: 1, until: later)
    try turns.goOn(after: GatewayRefusal(kinds[0], "first"))
    #expect(throws: GatewayRefusal(kind, "first; second")) { try turns.goOn(after: GatewayRefusal(kinds[1], "second")) }
  }

  @Test func `end when the time is over`() {
    var turns = Turns(of: 3, first: 0, until: .now)
    let silence = GatewayRefusal(.unavailable, "silence")
    #expect(throws: silence) { try turns.goOn(after: silence) }
  }

  @Test(arguments: [(0, 500), (600, 3000)])
  func `last neither too short nor too long`(seconds: Int, milliseconds: Int) {
    #expect(Turns(of: 3, first: 0, until: .now.advanced(bySeconds: seconds)).milliseconds == milliseconds)
  }
}

@Suite struct `A stream` {
  @Test func `is cut where its lines end`() {
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
