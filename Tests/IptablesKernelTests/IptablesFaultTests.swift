import Foundation
import Kernel
import Linux
import NetTypes
import PacketFilter
import Synchronization
import Testing
import TestSupport
@testable import Iptables

/// Concurrent changes of the tables by other programs, and errors of the kernel.
@Suite(.needsKernel) struct IptablesFaultTests {
  static let ruleSet = RuleSet(
    owner("c1"), .network,
    [masquerade("10.1.0.2"), masquerade("fd00::2"), .isolate(Isolation(name("br0"), reach: .outside))])

  @Test func `waiting for the iptables lock has a time limit`() throws {
    let (error, path, saved) = try IptablesLab.run { lab in
      let held = try FileLock(.open(lab.lockFile, for: .updating), seconds: 0, doing: "lock")
      let backend = lab.backend
      backend.tables.lockSeconds = 0
      let error = kernelError { () throws(KernelError) in try backend.add(Self.ruleSet) }
      _ = consume held
      return (error, lab.lockFile, try lab.rules("nat"))
    }
    #expect(error?.errno == .EAGAIN)
    #expect(error?.description.contains(path) == true)
    #expect(saved.isEmpty)
  }

  @Test func `a rule that another process adds in between stays, and so do ours`() throws {
    let (saved, missing) = try IptablesLab.run { lab in
      let backend = lab.backend
      let others = Mutex(2)
      backend.tables.beforeCommit = { (table) throws(KernelError) in
        guard table == TableName(.nat, .v4),
          others.withLock({
            $0 -= 1; return $0 >= 0
          })
        else { return }
        var other = try Table.read(table)
        try other.append(TableRule(.v4, .comment("other"), target: .accept).bytes, to: "OUTPUT")
        try other.commit()
      }
      try backend.add(Self.ruleSet)
      return (try lab.rules("nat").filter { $0.contains("other") }, try backend.missing(from: Self.ruleSet))
    }
    #expect(saved == Array(repeating: "-A OUTPUT -m comment --comment other -j ACCEPT", count: 2))
    #expect(missing.isEmpty)
  }

  @Test func `ADD fails if another process changes the tables all the time`() throws {
    let error = try IptablesLab.run { lab in
      let backend = lab.backend
      backend.tables.beforeCommit = { (table) throws(KernelError) in
        var other = try Table.read(table)
        try other.append(TableRule(.v4, target: .accept).bytes, to: "OUTPUT")
        try other.commit()
      }
      return kernelError { () throws(KernelError) in try backend.add(Self.ruleSet) }
    }
    #expect(error?.errno == .EAGAIN)
  }

  @Test(arguments: TableName.all)
  func `a table that cannot be changed leaves the other tables unchanged`(table: TableName) throws {
    let (before, added, full, removed, errors) = try IptablesLab.run { lab in
      try lab.shell(IptablesLifeTests.foreignRules)
      let before = try lab.everything()
      let faulty = lab.backend
      faulty.tables.beforeCommit = { (name) throws(KernelError) in
        if name == table { throw KernelError("commit", errno: .EIO, reason: "injected") }
      }
      var errors = [kernelError { () throws(KernelError) in try faulty.add(Self.ruleSet) }]
      let added = try lab.everything()
      let backend = lab.backend
      try backend.add(Self.ruleSet)
      let full = try lab.everything()
      errors.append(
        kernelError { () throws(KernelError) in
          try faulty.remove(Self.ruleSet.owner.filterTag, .network, recordedRules: nil)
        })
      return (before, added, full, try lab.everything(), errors)
    }
    #expect(added == before)
    #expect(removed == full)
    #expect(errors.map(\.?.reason) == ["injected", "injected"])
  }

  @Test func `tables that are not needed are not loaded`() throws {
    let names = try IptablesLab.run(touched: false) { lab in
      let backend = lab.backend
      try backend.remove(Self.ruleSet.owner.filterTag, .network, recordedRules: nil)
      _ = try backend.holders(of: nil)
      _ = try backend.tags(.ports, prefix: "cni:")
      _ = try backend.missing(from: Self.ruleSet)
      try backend.add(RuleSet(owner("c1"), .firewall, [.admit(Admission(ip("10.1.0.2")))]))
      return try lab.shell("cat /proc/net/ip_tables_names /proc/net/ip6_tables_names")
    }
    #expect(names == "filter\n")
  }

  @Test func `a host with the tables passes the probe`() throws {
    #expect(
      try IptablesLab.run { lab in
        let backend = lab.backend
        return kernelError { () throws(KernelError) in try backend.probe() }
      } == nil)
  }
}
