import BaseSupport
import CNI
import Foundation
import LabSupport
import Testing

/// A container's `resolv.conf` is rewritten when the container joins or leaves another network.
@Suite(.needsRoot)
struct SecondNetworkKillTests {
  @Test(arguments: 0..<2)
  func `the next DEL repairs a resolv.conf that a killed process was writing`(seed: Int) throws {
    try StressLab.use { stress in
      let other = """
        {"name": "other", "dns": {"nameservers": ["192.0.2.54"], "search": ["other.example"], "options": ["ndots:2"]},
         "prevResult": {"cniVersion": "1.1.0", "interfaces": [{"name": "eth0", "sandbox": "/x"}],
           "ips": [{"interface": 0, "address": "10.2.0.1/16"}]}}
        """
      try stress.run("ADD", 1).requireSuccess()
      for command in ["ADD", "DEL"] { try stress.run(command, 1, other).requireSuccess() }
      let before = stress.snapshot()
      #expect(before["files/c1/resolv.conf"] == ["nameserver 192.0.2.53"])
      var random = Xorshift(seed: UInt64(seed) + 1)
      var killed = 0
      for round in 0..<50 {
        if !round.isMultiple(of: 2) { try stress.run("ADD", 1, other).requireSuccess() }
        let call = try stress.call(round.isMultiple(of: 2) ? "ADD" : "DEL", 1, other)
        let outcome = try stress.lab.run(call, killedAfter: Int.random(in: 1...12000, using: &random))
        if outcome.status == 137 { killed += 1 }
        try stress.run("DEL", 1, other).requireSuccess()
        try #require(stress.changes(since: before) == [], "round \(round)")
      }
      // If no plugin was killed, the delays do not fit the plugin and the test shows nothing.
      #expect(killed > 0)
    }
  }
}
