import CNI
import LabSupport
import Testing

/// The input and environment of IPAM plugins, recorded by one.
@Suite(.needsRoot)
struct DelegationTests {
  /// Installs the delegate `fake` in the lab's `bin`: it records its calls in `calls`, its input and its variables.
  private func install(_ script: String, in lab: Lab) throws {
    try lab.shell(
      """
      mkdir \(lab.directory)/bin
      cat > \(lab.directory)/bin/fake <<'END'
      #!/bin/sh
      echo $CNI_COMMAND >> \(lab.directory)/calls
      cat > \(lab.directory)/input.$CNI_COMMAND
      env > \(lab.directory)/variables.$CNI_COMMAND
      \(script)
      END
      chmod +x \(lab.directory)/bin/fake
      """)
  }

  private func call(_ command: String, _ config: String, in lab: Lab) -> PluginCall {
    var call = lab.call(command, .object([:]), on: 1, args: "IgnoreUnknown=1;FOO=bar")
    call.config = config
    call.variables["CNI_PATH"] = "/not/there:\(lab.directory)/bin"
    call.variables["TRACEPARENT"] = "00-11-22-01"
    return call
  }

  private let config = #"""
    { "cniVersion" : "1.1.0", "Name": "net",  "type": "bridge", "unknown": [1.50, {"x": null}],
      "ipam": {"TYPE": "fake", "unknown": 1e3}}
    """#

  @Test(arguments: ["ADD", "DEL", "GC", "STATUS"])
  func `the delegate gets the same configuration and variables`(command: String) throws {
    try Lab.use { lab in
      try install(#"[ $CNI_COMMAND != ADD ] || echo '{"ips": [{"address": "10.9.0.2/24"}]}'; echo heard >&2"#, in: lab)
      let outcome = try lab.run(call(command, config, in: lab))
      #expect(outcome.isSuccess, "\(outcome)")
      #expect(outcome.errors == "heard\n")
      #expect(try lab.shell("cat \(lab.directory)/calls") == "\(command)\n")
      #expect(try lab.shell("cat \(lab.directory)/input.\(command)") == config)
      let variables = Set(
        try lab.shell("cat \(lab.directory)/variables.\(command)").split(separator: "\n").map(String.init))
      #expect(variables.isSuperset(of: lab.environment(call(command, config, in: lab))))
    }
  }

  @Test func `the delegate gets CHECK`() throws {
    try Lab.use { lab in
      try install(#"[ $CNI_COMMAND != ADD ] || echo '{"ips": [{"address": "10.9.0.2/24"}]}'"#, in: lab)
      let result = try lab.run(call("ADD", config, in: lab)).result()
      let checked = try JSONValue(json: config).with("prevResult", result).line
      let outcome = try lab.run(call("CHECK", checked, in: lab))
      #expect(outcome.isSuccess, "\(outcome)")
      #expect(try lab.shell("cat \(lab.directory)/calls") == "ADD\nCHECK\n")
      #expect(try lab.shell("cat \(lab.directory)/input.CHECK") == checked)
    }
  }

  @Test(arguments: [
    "exit 1", "[ $CNI_COMMAND != ADD ] || echo garbage",
    #"[ $CNI_COMMAND != ADD ] || echo '{"ips": [{"address": "10.9.0.2/24"}, {"address": "10.9.0.2/24"}]}'"#,
  ])
  func `the delegate gets DEL if ADD fails in the delegate or after it`(script: String) throws {
    try Lab.use { lab in
      try install(script, in: lab)
      let before = try Snapshot(of: lab)
      let outcome = try lab.run(call("ADD", config, in: lab))
      #expect(outcome.status == 1)
      #expect(try lab.shell("cat \(lab.directory)/calls") == "ADD\nDEL\n")
      try lab.expectUnchanged(since: before)
    }
  }

  @Test func `the delegate does not run if the configuration is refused`() throws {
    try Lab.use { lab in
      try install("exit 1", in: lab)
      let refused = try JSONValue(json: config).with("mtu", .integer(1)).line
      #expect(try lab.run(call("ADD", refused, in: lab)).code == 7)
      #expect(try lab.shell("ls \(lab.directory)") == "bin\n")
    }
  }

  @Test(arguments: ["DEL", "CHECK", "GC", "STATUS"])
  func `the delegate's error is returned with its code after all other steps are done`(command: String) throws {
    try Lab.use { lab in
      let script = #"""
        [ $CNI_COMMAND = ADD ] && echo '{"ips": [{"address": "10.9.0.2/24"}]}' && exit
        echo '{"code": 77, "msg": "own words", "details": "more"}'; exit 1
        """#
      try install(script, in: lab)
      let result = try lab.run(call("ADD", config, in: lab)).result()
      let keys = JSONValue.object(["prevResult": result, "cni.dev/valid-attachments": .array([])])
      let outcome = try lab.run(call(command, try JSONValue(json: config).merging(keys).line, in: lab))
      #expect(outcome.code == 77)
      #expect(outcome.complaint.contains("own words"))
      #expect(outcome.complaint.contains("more"))
      if ["DEL", "GC"].contains(command) {
        #expect(try lab.linkNames(in: lab.container(1)) == [])
      }
    }
  }
}
