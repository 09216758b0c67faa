import CNI
import LabSupport
import Testing

/// Unusable standard input and output, and unusable file systems.
@Suite(.needsRoot)
struct OutputTests {
  /// Runs a call in a shell script, in which `"$@"` runs the plugin.
  private func run(_ call: PluginCall, by script: String, in lab: Lab) throws -> Outcome {
    try lab.run(
      "/bin/sh", ["-c", script, "sh", "\(call.directory)/\(call.plugin)"], in: lab.host,
      environment: lab.environment(call) + ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], input: call.config)
  }

  @Test(arguments: [#""$@" > /dev/full"#, #""$@" >&-"#, #""$@" >&- 2>&-"#, #""$@" > /dev/full 2>&1"#])
  func `ADD rolls back if the result cannot be written`(script: String) throws {
    try Lab.use { lab in
      let before = try Snapshot(of: lab)
      let config = try lab.bridge(#"{"isDefaultGateway": true}"#, subnets: Families.dual.subnets)
      let outcome = try run(lab.call("ADD", config, on: 1), by: script, in: lab)
      #expect(outcome.status == 1)
      #expect(outcome.output == "")
      if !script.contains("2>") {
        let errorDocument = try JSONValue(json: outcome.errors)
        #expect(errorDocument.text("code") == "5")
        #expect(errorDocument.text("msg")?.contains("standard output") == true)
      }
      try lab.expectUnchanged(since: before)
    }
  }

  @Test(arguments: [(#""$@" <&-"#, 5), (#""$@" < /"#, 5), (#""$@" < /dev/null"#, 6)])
  func `ADD without a readable configuration changes nothing`(script: String, code: Int) throws {
    try Lab.use { lab in
      let before = try Snapshot(of: lab)
      let outcome = try run(lab.call("ADD", try lab.bridge(), on: 1), by: script, in: lab)
      #expect(outcome.code == code, "\(outcome)")
      try lab.expectUnchanged(since: before)
    }
  }

  @Test(arguments: [("ro", "Read-only"), ("size=4k,nr_inodes=1", "No space")])
  func `a file system that cannot store leases is named`(options: String, fragment: String) throws {
    try Lab.use { lab in
      try lab.shell("mkdir \(lab.dataDir)")
      let before = try Snapshot(of: lab)
      let outcome = try run(
        lab.call("ADD", try lab.bridge(), on: 1),
        by:
          "mount -t tmpfs -o \(options) tmpfs \(lab.dataDir) && \"$@\"; status=$?; umount \(lab.dataDir); exit $status",
        in: lab)
      #expect(outcome.code == 106, "\(outcome)")
      #expect(outcome.complaint.contains(fragment))
      #expect(outcome.complaint.contains(lab.dataDir))
      try lab.expectUnchanged(since: before)
    }
  }

  @Test func `standard output has only the JSON document, and standard error is empty`() throws {
    try Lab.use { lab in
      let config = try lab.bridge(#"{"isDefaultGateway": true}"#)
      for command in ["ADD", "DEL"] {
        let outcome = try lab.run(lab.call(command, config, on: 1))
        #expect(outcome.errors == "")
        #expect((outcome.output.isEmpty || outcome.json != nil) && outcome.output.split(separator: "\n").count < 2)
      }
    }
  }
}
