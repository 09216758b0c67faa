import BaseSupport
public import CNI
public import Testing

extension Lab {
  /// Kills ADD and DEL of the first container after increasing delays, and expects the next DEL to remove everything.
  ///
  /// The delays start with 2 ms and double each time, so that they also fit a plugin on an emulated processor.
  public func expectNothingLeftByKills(
    of plugin: String, _ config: JSONValue, seed: UInt64, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    try shell("ip link set lo up", in: container(1))
    let before = try Snapshot(of: self)
    try killInTurn(
      seed: seed, rounds: 7, delay: { 2000 << $0...4000 << $0 }, { call($0, config, on: 1, plugin: plugin) },
      add: { try add(config, plugin: plugin).requireSuccess() },
      clean: { _ in
        #expect(try delete(config, plugin: plugin).isSuccess, sourceLocation: sourceLocation)
        try expectUnchanged(since: before, sourceLocation: sourceLocation)
      }, sourceLocation: sourceLocation)
  }

  /// Kills an ADD, then a DEL of a complete attachment, and so on.
  ///
  /// - Parameters:
  ///   - seed: of the delays.
  ///   - rounds: how many calls are killed.
  ///   - delay: the microseconds after which a round's call is killed.
  ///   - call: the call of a command.
  ///   - add: makes the attachment for a DEL.
  ///   - clean: removes what a round left, and expects that nothing else is there.
  ///   - sourceLocation: the line of the test.
  /// - Throws: an error of the closures.
  public func killInTurn(
    seed: UInt64, rounds: Int, delay: (_ round: Int) -> ClosedRange<Int>,
    _ call: (_ command: String) throws -> PluginCall,
    add: () throws -> Void, clean: (_ round: Int) throws -> Void, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    var random = Xorshift(seed: seed), killed = 0
    for round in 0..<rounds {
      let isADD = round.isMultiple(of: 2)
      if !isADD { try add() }
      let outcome = try run(call(isADD ? "ADD" : "DEL"), killedAfter: Int.random(in: delay(round), using: &random))
      if outcome.status == 137 { killed += 1 }
      try clean(round)
    }
    // If no plugin was killed, the delays do not fit the plugins and the test shows nothing.
    #expect(killed > 0, sourceLocation: sourceLocation)
  }
}
