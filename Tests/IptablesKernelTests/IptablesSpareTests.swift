import NetTypes
import PacketFilter
import Testing
import TestSupport
@testable import Iptables

/// A port that several networks of a container publish.
@Suite(.needsKernel) struct IptablesSpareTests {
  static let ruleSets = ["10.1.0.2", "10.2.0.2", "10.3.0.2"].enumerated().map { index, target in
    let subnet = net("10.\(index + 1).0.0/24")
    return RuleSet(
      owner("c1", network: "n\(index + 1)"), .ports,
      [
        published(8080, to: target) {
          $0.masquerade?.subnet = subnet
          $0.isSpare = index > 0
        }
      ])
  }

  /// The target of the port in the first rule.
  private static func targets(_ lab: IptablesLab) throws -> [String] {
    try lab.rules("nat").filter { $0.hasPrefix("-A CNI-PORTS") }.compactMap {
      $0.split(separator: " ").last.map(String.init)
    }
  }

  @Test(arguments: [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]])
  func `a port of several networks leads to the first remaining address after each removal`(order: [Int]) throws {
    let (before, targets, holders, missing, after) = try IptablesLab.run { lab in
      let before = try lab.everything()
      let backend = lab.backend
      for ruleSet in Self.ruleSets { try backend.add(ruleSet) }
      var targets = [try Self.targets(lab)]
      let holders = try backend.holders(of: Self.ruleSets[2].rules.ports).map(\.tag)
      var missing: [Rule] = []
      for index in order {
        try backend.remove(Self.ruleSets[index].owner.filterTag, .ports, recordedRules: Self.ruleSets[index].rules)
        targets.append(try Self.targets(lab))
        for left in order.drop(while: { $0 != index }).dropFirst() {
          missing += try backend.missing(from: Self.ruleSets[left])
        }
      }
      return (before, targets, holders, missing, try lab.everything())
    }
    let all = ["10.1.0.2:80", "10.2.0.2:80", "10.3.0.2:80"]
    let wanted = (0...3).map { count in all.indices.filter { !order.prefix(count).contains($0) }.map { all[$0] } }
    #expect(targets == wanted)
    #expect(holders == Self.ruleSets.map(\.owner.filterTag))
    #expect(missing.isEmpty)
    #expect(after == before)
  }

  @Test func `a port of several networks is refused to another container and to a repeated ADD`() throws {
    let errors = try IptablesLab.run { lab in
      let backend = lab.backend
      try backend.add(Self.ruleSets[0])
      let other = RuleSet(owner("c2", network: "n2"), .ports, Self.ruleSets[1].rules)
      let plain = RuleSet(Self.ruleSets[1].owner, .ports, Self.ruleSets[0].rules)
      return [other, plain, Self.ruleSets[0]].map { ruleSet in
        kernelError { () throws(KernelError) in try backend.add(ruleSet) }?.errno
      }
    }
    #expect(errors == [.EEXIST, .EEXIST, .EEXIST])
  }
}
