import CNI
import LabSupport
import Testing

/// Plugins that are killed at any time, and many concurrent plugins.
@Suite(.needsRoot)
struct KillTests {
  @Test(arguments: 0..<8)
  func `DEL removes what a killed ADD or DEL left`(seed: Int) throws {
    try Lab.use(containers: 2) { lab in
      let config = try lab.bridge(#"{"isDefaultGateway": true}"#, subnets: Families.dual.subnets)
      _ = try lab.add(config, to: 2).result()
      try lab.shell("ip link set lo up", in: lab.container(1))
      let before = try Snapshot(of: lab)
      try lab.killInTurn(
        seed: UInt64(seed) + 1, rounds: 25, delay: { _ in 1...8000 }, { lab.call($0, config, on: 1) },
        add: { _ = try lab.add(config).result() },
        clean: { _ in
          let cleaning = try lab.delete(config)
          #expect(cleaning.isSuccess, "\(cleaning)")
          try lab.expectUnchanged(since: before)
        })
    }
  }

  @Test func `an ADD without free file descriptors returns an error and leaves nothing`() throws {
    try Lab.use(containers: 1) { lab in
      let config = try lab.bridge(#"{"isGateway": true, "ipMasq": true, "ipMasqBackend": "nftables"}"#)
      for command in ["ADD", "DEL"] { _ = try lab.run(lab.call(command, config, on: 1)) }
      let before = try Snapshot(of: lab)
      let call = lab.call("ADD", config, on: 1)
      var refusals = 0
      for limit in 3...24 {
        let outcome = try lab.run(
          "/usr/bin/prlimit", ["--nofile=\(limit)", "\(call.directory)/\(call.plugin)"], in: lab.host,
          environment: lab.environment(call), input: call.config)
        if !outcome.isSuccess { refusals += 1 }
        #expect(outcome.isSuccess || outcome.code != nil || outcome.status == 127, "\(limit): \(outcome)")
        if outcome.code != nil { try lab.expectUnchanged(since: before) }
        #expect(try lab.delete(config).isSuccess)
        try lab.expectUnchanged(since: before)
      }
      #expect(refusals > 2)
    }
  }

  @Test func `a hundred ADDs at once make one bridge and a hundred addresses, a hundred DELs remove all`() throws {
    try Lab.use(containers: 100) { lab in
      let config = try lab.bridge(#"{"isGateway": true}"#)
      try runAtOnce("ADD", config, in: lab)
      let addresses = Set(try (1...100).map { try lab.answer(of: $0).text("ips.0.address") ?? "" })
      #expect(addresses.count == 100)
      #expect(try lab.leases().count == 100)
      #expect(try lab.linkNames(in: lab.host).count == 101)
      #expect(try lab.addresses(of: "br0", in: lab.host) == ["10.77.0.1/24"])
      for number in [1, 50, 100] {
        #expect(try lab.check(config, lab.answer(of: number), on: number).isSuccess)
        #expect(try lab.pings("10.77.0.1", from: lab.container(number)))
      }
      try runAtOnce("DEL", config, in: lab)
      #expect(try lab.linkNames(in: lab.host) == ["br0"])
      #expect(try lab.leases() == [])
    }
  }

  /// Runs a command for all containers of the lab concurrently; all must succeed.
  private func runAtOnce(_ command: String, _ config: JSONValue, in lab: Lab) throws {
    try lab.shell("cat > \(lab.directory)/config <<'END'\n\(config.line)\nEND")
    try lab.shell(
      """
      export CNI_COMMAND=\(command) CNI_IFNAME=eth0 CNI_PATH=\(Binaries.ours)
      children=
      for n in $(seq \(lab.containerCount)); do
        CNI_CONTAINERID=\(lab.name)-c$n CNI_NETNS=/run/netns/\(lab.name)-c$n \(Binaries.ours)/bridge \\
          < \(lab.directory)/config > \(lab.directory)/answer.$n &
        children="$children $!"
      done
      failed=
      for child in $children; do wait $child || failed=yes; done
      test -z "$failed" || { grep -h '"code"' \(lab.directory)/answer.*; exit 1; }
      """, in: lab.host)
  }
}

extension Lab {
  fileprivate func answer(of number: Int) throws -> JSONValue {
    try JSONValue(json: try shell("cat \(directory)/answer.\(number)"))
  }
}
