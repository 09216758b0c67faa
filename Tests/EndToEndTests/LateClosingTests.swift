import CNI
import LabSupport
import Testing

/// The netfilter sockets of a plugin that has deleted rules, and the library that it does not load.
@Suite(.needsRoot) struct LateClosingTests {
  /// Runs commands; prints for each how many processes it left, all of which ended within ten seconds.
  ///
  /// A command's output ends only when every process has closed it.
  private static let program = """
    from ctypes import CDLL
    from os import wait
    from signal import alarm
    from subprocess import run
    from sys import argv
    CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER
    alarm(10)
    for command in argv[1:]:
        run(["/bin/sh", "-ec", command], check=True, capture_output=True)
        count = 0
        try:
            while True:
                wait()
                count += 1
        except ChildProcessError: print(count, end=" ")
    """

  private func command(_ name: String, _ config: JSONValue, _ plugin: String, in lab: Lab) -> String {
    let call = lab.call(name, config, on: 1, plugin: plugin)
    let variables = lab.environment(call).map { "'\($0)'" }.joined(separator: " ")
    return "echo '\(config.line)' | env \(variables) \(call.directory)/\(plugin)"
  }

  private func config(_ plugin: String, _ keys: String, after result: JSONValue) throws -> JSONValue {
    try JSONValue(json: #"{"cniVersion": "1.1.0", "name": "net", "type": "\#(plugin)"}"#)
      .merging(JSONValue(json: keys)).with("prevResult", result)
  }

  @Test(arguments: [
    ("firewall", #"{"backend": "nftables"}"#),
    (
      "portmap", #"{"backend": "nftables", "runtimeConfig": {"portMappings": [{"hostPort": 80, "containerPort": 80}]}}"#
    ),
  ])
  func `only a DEL that has deleted rules leaves a process, which ends soon`(plugin: String, keys: String) throws {
    try Lab.use { lab in
      let result = try lab.add(lab.bridge(#"{"isGateway": true}"#), to: 1).result()
      let config = try config(plugin, keys, after: result)
      let commands = ["ADD", "CHECK", "DEL", "DEL"].map { command($0, config, plugin, in: lab) }
      let left = try lab.run("/usr/bin/python3", ["-c", Self.program] + commands, in: lab.host)
      #expect(left.output == "0 0 1 0 ", "\(left)")
      #expect(try lab.shell("nft list ruleset", in: lab.host) == "")
    }
  }

  @Test(arguments: [(#"[]"#, false), (#"["ip", "saddr", "10.0.0.0/8"]"#, true)])
  func `only conditions in the syntax of nft load libnftables`(conditions: String, loads: Bool) throws {
    try Lab.use { lab in
      let result = try lab.add(lab.bridge(#"{"isGateway": true}"#), to: 1).result()
      let keys = #"""
        {"backend": "nftables", "conditionsV4": \#(conditions),
         "runtimeConfig": {"portMappings": [{"hostPort": 80, "containerPort": 80}]}}
        """#
      let config = try config("portmap", keys, after: result)
      for name in ["ADD", "CHECK", "DEL"] {
        var call = lab.call(name, config, on: 1, plugin: "portmap")
        call.variables["LD_DEBUG"] = "files"
        let outcome = try lab.run(call)
        try outcome.requireSuccess()
        #expect(outcome.errors.contains("libnftables") == (loads && name == "ADD"))
      }
    }
  }
}
