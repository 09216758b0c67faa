import CNI
import LabSupport
import Testing

/// Lost answers of the kernel and refused system calls, one in each ADD.
@Suite(.needsRoot)
struct SystemCallFaultTests {
  @Test(
    arguments: [
      ("nftables", "recvmsg", "ENOBUFS"), ("iptables", "recvfrom", "ENOBUFS"), ("iptables", "setsockopt", "EINTR"),
      ("iptables", "setsockopt", "EPERM"),
    ])
  func `portmap finds out whether the kernel added its rules after a failed system call`(
    backend: String, systemCall: String, error: String
  ) throws {
    try Lab.use(containers: 1) { lab in
      // The backend `iptables` uses the variant, legacy or nf_tables, in which the host has rules.
      let flavour = systemCall == "setsockopt" ? "legacy" : "nft"
      try lab.shell("iptables-\(flavour) -A INPUT -j ACCEPT; ip6tables-\(flavour) -A INPUT -j ACCEPT", in: lab.host)
      let result = try lab.add(lab.bridge(#"{"isGateway": true}"#)).result()
      let config = try JSONValue(
        json: #"""
          {"cniVersion": "1.1.0", "name": "net", "type": "portmap", "backend": "\#(backend)",
           "runtimeConfig": {"portMappings": [{"hostPort": 8080, "containerPort": 80}]}}
          """#
      ).with("prevResult", result)
      let call = lab.call("ADD", config, on: 1, plugin: "portmap")
      // A used legacy table remains, with empty chains.
      for _ in 1...2 {
        #expect(try lab.run(call).isSuccess)
        #expect(try lab.delete(config, plugin: "portmap").isSuccess)
      }
      let before = try ruleset(lab)
      var injected = 0
      while injected < 80 {
        let outcome = try run(call, injecting: "\(systemCall):error=\(error):when=\(injected + 1)", systemCall, in: lab)
        #expect(outcome.isSuccess || outcome.code != nil, "\(outcome)")
        if outcome.isSuccess {
          #expect(try lab.check(config, result, plugin: "portmap").isSuccess)
        } else {
          #expect(try ruleset(lab) == before, "\(outcome)")
        }
        #expect(try lab.delete(config, plugin: "portmap").isSuccess)
        #expect(try ruleset(lab) == before)
        guard try lab.shell("cat \(lab.directory)/trace").contains("INJECTED") else { break }
        injected += 1
      }
      #expect(injected > 0)
    }
  }

  @Test(arguments: [("ADD", "recvmsg"), ("ADD", "sendmsg"), ("DEL", "recvfrom")])
  func `a failed call of bridge leaves nothing, and a successful one is complete`(
    command: String, systemCall: String
  ) throws {
    try Lab.use(containers: 1) { lab in
      let config = try lab.bridge(#"{"ipMasq": true, "isGateway": true}"#)
      let call = lab.call(command, config, on: 1)
      _ = try lab.add(config).result()
      let attached = try state(lab)
      #expect(try lab.delete(config).isSuccess)
      let detached = try state(lab)
      // Delete the bridge, so that each ADD creates it.
      try lab.shell("ip link delete br0", in: lab.host)
      let before = try state(lab)
      var injected = 0
      while injected < 80 {
        if command == "DEL" { _ = try lab.add(config).result() }
        let outcome = try run(call, injecting: "\(systemCall):error=ENOBUFS:when=\(injected + 1)", systemCall, in: lab)
        #expect(outcome.isSuccess || outcome.code == 100, "\(outcome)")
        switch (command, outcome.isSuccess) {
        case ("ADD", true): #expect(try state(lab) == attached, "\(outcome)")
        case ("ADD", false): #expect(try state(lab) == before, "\(outcome)")
        case (_, true): #expect(try state(lab) == detached, "\(outcome)")
        default: break
        }
        #expect(try lab.delete(config).isSuccess)
        try lab.shell("ip link delete br0 || :", in: lab.host)
        #expect(try state(lab) == before, "\(outcome)")
        guard try lab.shell("cat \(lab.directory)/trace").contains("INJECTED") else { break }
        injected += 1
      }
      #expect(injected > 5)
    }
  }

  @Test func `ADD tries again if it cannot return to the host's namespace`() throws {
    try Lab.use(containers: 1) { lab in
      let config = try lab.bridge()
      _ = try lab.add(config).result()
      #expect(try lab.delete(config).isSuccess)
      let call = lab.call("ADD", config, on: 1), before = try state(lab)
      let once = try run(call, injecting: "setns:error=ENOMEM:when=2", "setns", in: lab)
      #expect(once.isSuccess, "\(once)")
      #expect(try lab.delete(config).isSuccess)
      let always = try run(call, injecting: "setns:error=ENOMEM:when=2+", "setns", in: lab)
      #expect(always.code == 100)
      #expect("\(always)".contains("return to the host's network namespace"), "\(always)")
      #expect(try lab.delete(config).isSuccess)
      #expect(try state(lab) == before)
    }
  }

  /// The names of links on host and in container, the number of leases, and the rules without their addresses.
  private func state(_ lab: Lab) throws -> String {
    let links = try [lab.host, lab.container(1)].map { try lab.shell("ip -br link | sed 's/[@ ].*//' | sort", in: $0) }
    let rules = try ruleset(lab).replacing(/10\.77\.0\.[0-9]+/, with: "ADDRESS")
    return try links.joined(separator: "\n") + rules + lab.shell("ls \(lab.dataDir)/net | wc -l")
  }

  private func run(
    _ call: PluginCall, injecting fault: String, _ systemCall: String, in lab: Lab
  ) throws -> Outcome {
    try lab.run(
      "/usr/bin/strace",
      [
        "-qq", "-o", "\(lab.directory)/trace", "-e", "trace=\(systemCall)", "-e", "inject=\(fault)",
        "\(call.directory)/\(call.plugin)",
      ], in: lab.host, environment: lab.environment(call), input: call.config)
  }

  private func ruleset(_ lab: Lab) throws -> String {
    try lab.shell("nft list ruleset; iptables-legacy-save; ip6tables-legacy-save", in: lab.host)
      .split(separator: "\n").filter { !$0.hasPrefix("#") }.map { $0.prefix { $0 != "[" } }.joined(separator: "\n")
  }
}
