import BaseSupport
import CNI
import Foundation
import NetTypes
import Testing

private let kinds = [
  #""subnet": "10.1.0.0/29""#,
  #""subnet": "10.1.0.0/28", "rangeStart": "10.1.0.3", "rangeEnd": "10.1.0.8", "gateway": "10.1.0.5""#,
  #""subnet": "10.1.0.0/29", "gateway": "10.9.0.1", "routes": [{"dst": "0.0.0.0/0"}, {"dst": "10.2.0.0/16", "gw": "10.1.0.3"}]"#,
  #""ranges": [[{"subnet": "10.1.0.0/30"}, {"subnet": "10.2.0.0/24", "rangeStart": "10.2.0.4", "rangeEnd": "10.2.0.6"}]]"#,
  #""ranges": [[{"subnet": "10.1.0.0/29"}], [{"subnet": "fd00::/120", "rangeEnd": "fd00::6"}]]"#,
  #""subnet": "10.3.0.0/29", "ranges": [[{"subnet": "10.1.0.0/29", "rangeStart": "10.1.0.0", "rangeEnd": "10.1.0.6"}]]"#,
]

/// All in the first range set: the reference changes `last_reserved_ip` before a later range set is refused.
private let requests = ["IP=10.1.0.4", "IP=10.1.0.5", "IP=10.1.0.4", "IP=10.1.0.2", "IP=10.1.0.4", "IP=10.3.0.4"]

extension Answer {
  /// Debian's version writes `"dns": {}` if there is none.
  fileprivate var withoutEmptyDNS: JSONValue {
    guard var members = output.object, members["dns"] == .object([:]) else { return output }
    members["dns"] = nil
    return .object(members)
  }
}

@Suite(.needsReferencePlugins) struct ReferenceTests {
  /// The same random calls of both plugins, in two directories, give the same results and files.
  @Test(arguments: kinds.indices, [11, 12] as [UInt64])
  func `answers and files are the same as the reference plugin's`(kind: Int, seed: UInt64) throws {
    try inDataDirectory { ours in
      try inDataDirectory { theirs in
        var random = Xorshift(seed: seed)
        for step in 0..<40 {
          let container = "c\(Int.random(in: 0..<9, using: &random))"
          let command = step > 0 && Int.random(in: 0..<3, using: &random) == 0 ? "DEL" : "ADD"
          // No request if the container has an address: the reference would lease a second one.
          let holds = contents("\(ours)/net").values.contains("\(container)\r\neth0")
          let arguments = holds || Bool.random(using: &random) ? "" : requests[kind]
          let mine = try PluginRun.ours(command, container, config(ours, kinds[kind]), arguments: arguments)
          let reference = try PluginRun.reference(command, container, config(theirs, kinds[kind]), arguments: arguments)
          let call = "step \(step): \(command) \(container) \(arguments)"
          try #require(mine.status == reference.status, "\(call): \(mine) \(reference)")
          if mine.status == 0 { try #require(mine.output == reference.withoutEmptyDNS, "\(call)") }
          try #require(contents("\(ours)/net") == contents("\(theirs)/net"), "\(call)")
        }
      }
    }
  }

  /// Both plugins use one directory in turn; each releases leases of the other.
  @Test(arguments: [21, 22] as [UInt64]) func `both plugins can serve one network in turn`(seed: UInt64) throws {
    try inDataDirectory { directory in
      var random = Xorshift(seed: seed)
      let text = config(directory, #""subnet": "10.1.0.0/27""#)
      var held: [String: [String]] = [:]
      for step in 0..<80 {
        let plugin = Bool.random(using: &random) ? PluginRun.ours : .reference
        let container = "c\(Int.random(in: 0..<20, using: &random))"
        if held[container] == nil {
          let answer = try plugin("ADD", container, text)
          try #require(answer.status == 0, "step \(step): \(answer)")
          #expect(!held.values.contains(answer.addresses), "step \(step): \(answer.addresses) twice")
          held[container] = answer.addresses
          #expect(try plugin("ADD", container, text).status == 1, "step \(step): a second ADD")
        } else {
          #expect(try plugin("DEL", container, text).status == 0, "step \(step)")
          held[container] = nil
        }
        let expected = Set(held.values.joined().map { String($0.dropLast(3)) })
        try #require(leases("\(directory)/net") == expected, "step \(step)")
      }
    }
  }

  @Test func `both plugins can serve one network at the same time`() throws {
    try inDataDirectory { directory in
      let text = config(directory, #""subnet": "10.1.0.0/24""#)
      let runs = try (0..<80).map { number in
        let plugin = number % 2 == 0 ? PluginRun.ours : .reference
        return (plugin, try plugin.start("ADD", "c\(number)", text))
      }
      let answers = try runs.map { plugin, process in try plugin.finish(process) }
      #expect(answers.filter { $0.status != 0 } == [])
      #expect(Set(answers.flatMap(\.addresses)).count == 80)
      let removals = try (0..<80).map { number in
        let plugin = number % 2 == 0 ? PluginRun.reference : .ours
        return (plugin, try plugin.start("DEL", "c\(number)", text))
      }
      #expect(
        try removals.map { plugin, process in try plugin.finish(process).status } == [Int32](repeating: 0, count: 80))
      #expect(leases("\(directory)/net") == [])
    }
  }
}
