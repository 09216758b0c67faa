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
    var random = Xorshift(seed: seed), killed = 0
    for round in 0..<7 {
      let isADD = round.isMultiple(of: 2), microseconds = 2000 << round
      if !isADD { try add(config, plugin: plugin).requireSuccess() }
      let outcome = try run(
        call(isADD ? "ADD" : "DEL", config, on: 1, plugin: plugin),
        killedAfter: Int.random(in: microseconds..<2 * microseconds, using: &random))
      if outcome.status == 137 { killed += 1 }
      #expect(try delete(config, plugin: plugin).isSuccess, sourceLocation: sourceLocation)
      try expectUnchanged(since: before, sourceLocation: sourceLocation)
    }
    // If no plugin was killed, the delays do not fit the plugins and the test shows nothing.
    #expect(killed > 0, sourceLocation: sourceLocation)
  }
}
