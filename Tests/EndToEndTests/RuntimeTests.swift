import CNI
import LabSupport
import Testing

/// Runtimes that pass unsuitable signal masks, limits and pipes to plugins.
@Suite(.needsRoot)
struct RuntimeTests {
  /// Runs the call after a shell prefix that ends in `exec`: `ulimit -f 0; exec`.
  private func run(_ call: PluginCall, behind prefix: String, in lab: Lab) throws -> Outcome {
    try lab.run(
      "/bin/bash", ["-c", "\(prefix) \(call.directory)/\(call.plugin)"], in: lab.host,
      environment: lab.environment(call),
      input: call.config)
  }

  private let full = #"{"ranges": [[{"subnet": "10.77.0.0/30"}]]}"#

  @Test(arguments: ["env --ignore-signal=CHLD", "env --block-signal=CHLD", "env --ignore-signal=CHLD,PIPE,ALRM"])
  func `an IPAM error is returned even if SIGCHLD is ignored or blocked`(wrapper: String) throws {
    try Lab.use(containers: 2) { lab in
      let config = try lab.bridge(ipam: full)
      try lab.add(config, to: 2).requireSuccess()
      let before = try Snapshot(of: lab)
      let outcome = try run(lab.call("ADD", config, on: 1), behind: "exec /usr/bin/\(wrapper)", in: lab)
      #expect(outcome.code == 102, "\(outcome)")
      try lab.expectUnchanged(since: before)
      try lab.delete(config, from: 2).requireSuccess()
      let added = try run(lab.call("ADD", config, on: 1), behind: "exec /usr/bin/\(wrapper)", in: lab)
      #expect(try added.result().list("ips").count == 1)
    }
  }

  @Test func `a file size limit gives an error and does not kill the plugin`() throws {
    try Lab.use { lab in
      let config = try lab.bridge()
      let before = try Snapshot(of: lab)
      let outcome = try run(lab.call("ADD", config, on: 1), behind: "ulimit -f 0; exec", in: lab)
      #expect(outcome.code == 106, "\(outcome)")
      #expect(outcome.complaint.contains("File too large"))
      try lab.expectUnchanged(since: before)
    }
  }

  @Test func `ADD rolls back if the runtime does not read the result`() throws {
    try Lab.use { lab in
      let config = try lab.bridge()
      let before = try Snapshot(of: lab)
      let pipe = """
        mkfifo \(lab.directory)/pipe; exec 3<>\(lab.directory)/pipe
        dd if=/dev/zero of=/dev/fd/3 bs=4096 oflag=nonblock 2>/dev/null; exec 1>&3; exec
        """
      let outcome = try run(lab.call("ADD", config, on: 1), behind: pipe, in: lab)
      #expect(outcome.status == 1, "\(outcome)")
      #expect(outcome.errors.contains("write the result to standard output"))
      try lab.expectUnchanged(since: before)
    }
  }

  @Test func `ADD rolls back and returns an error if standard output is closed`() throws {
    try Lab.use { lab in
      let config = try lab.bridge()
      let before = try Snapshot(of: lab)
      let outcome = try run(lab.call("ADD", config, on: 1), behind: "exec 1>&-; exec", in: lab)
      #expect(outcome.status == 1)
      #expect(outcome.errors.contains(#""code":5"#), "\(outcome)")
      try lab.expectUnchanged(since: before)
    }
  }
}
