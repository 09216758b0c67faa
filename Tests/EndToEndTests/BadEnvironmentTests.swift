import CNI
import LabSupport
import Testing

/// Invalid environment variables, files of the wrong kind, faulty delegates.
@Suite(.needsRoot)
struct BadEnvironmentTests {
  static let missing = [
    "ADD": ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"],
    "CHECK": ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"],
    "DEL": ["CNI_CONTAINERID", "CNI_IFNAME", "CNI_PATH"], "GC": ["CNI_PATH"], "STATUS": ["CNI_PATH"],
  ].flatMap { command, variables in
    variables.map { BadCall.variables([$0: ""], 4, "required env variables", $0, command: command) }
  }

  @Test(arguments: missing)
  func `a missing environment variable is named`(call: BadCall) throws { try call.expectRefusal() }

  static let variables: [BadCall] =
    ["add", "FOO", "ADD ", "CHECKS"].map { .variables([:], 4, "unknown CNI_COMMAND: \($0)", command: $0) }
    + ["sixteen-bytes-xx", "äöüäöüäö"].map { .variables(["CNI_IFNAME": $0], 4, "interface name is too long", $0) }
    + ["br%d", "br*", "%", "*"].map { .variables(["CNI_IFNAME": $0], 4, "interface name contains % or *", $0) }
    + [1025, 5000, 100_000].flatMap { count in
      ["ADD", "DEL"].map {
        .variables(
          ["CNI_CONTAINERID": String(repeating: "x", count: count)], 4, "container id is too long", command: $0)
      }
    }
    + [".", ".."].map { .variables(["CNI_IFNAME": $0], 4, "interface name is . or ..") }
    + ["a/b", "a:b", "a b", "a\tb", "../x", "a\u{A0}b"].map {
      .variables(["CNI_IFNAME": $0], 4, "interface name contains")
    }
    + ["../x", "a/b", "-a", ".a", "a b", "a;b", "ä"].flatMap { id in
      ["ADD", "DEL"].map { .variables(["CNI_CONTAINERID": id], 4, "containerID", id, command: $0) }
    }
    + ["FOO=1", "mac=02:00:00:00:00:01"].map { .variables(["CNI_ARGS": $0], 4, "unknown args", $0) }
    + ["noequals", "=x"].map { .variables(["CNI_ARGS": $0], 4, "invalid pair", $0) }
    + [
      .variables(["CNI_ARGS": "IP=nonsense"], 4, "IP=nonsense"),
      .variables(["CNI_ARGS": "IP=10.77.0.5,nonsense"], 4, "IP=nonsense"),
      .variables(["CNI_ARGS": "MAC=zz"], 4, "MAC=zz"),
      .variables(["CNI_ARGS": "MAC=01:00:5e:00:00:01"], 7, "unicast"),
      .variables(["CNI_ARGS": "IgnoreUnknown=maybe"], 4, "IgnoreUnknown=maybe"),
      .variables(["CNI_ARGS": "IP=10.77.0.1"], 103, "10.77.0.1"),
      .variables(["CNI_ARGS": "IP=192.0.2.1"], 103, "192.0.2.1"),
    ]

  @Test(arguments: variables)
  func `a wrong environment variable is refused`(call: BadCall) throws { try call.expectRefusal() }

  static let namespaces: [BadCall] = [
    .variables(["CNI_NETNS": "DIR/missing"], 4, "DIR/missing", "No such file"),
    .variables(["CNI_NETNS": "DIR/file"], 4, "DIR/file", script: "touch file"),
    .variables(["CNI_NETNS": "DIR/fifo"], 4, "DIR/fifo", script: "mkfifo fifo"),
    .variables(["CNI_NETNS": "DIR"], 4, "DIR"), .variables(["CNI_NETNS": "/dev/null"], 4, "/dev/null"),
    .variables(["CNI_NETNS": "DIR/link"], 4, "DIR/link", script: "ln -s nowhere link"),
    .variables(["CNI_NETNS": "DIR/loop"], 4, "DIR/loop", script: "ln -s loop loop"),
    .variables(["CNI_NETNS": "/proc/self/ns/mnt"], 4, "/proc/self/ns/mnt"),
    .variables(["CNI_NETNS": "/proc/self/ns/uts"], 4, "/proc/self/ns/uts"),
    .variables(["CNI_NETNS": "/proc/1/status"], 4, "/proc/1/status"),
    .variables(["CNI_NETNS": "DIR/" + String(repeating: "x", count: 5000)], 4, "too long"),
    .variables(["CNI_NETNS": "/proc/self/ns/net"], 8, "should not be the same"),
    .variables(["CNI_NETNS": "HOST"], 8, "should not be the same", "HOST"),
  ]

  @Test(arguments: namespaces)
  func `a CNI_NETNS that is not a network namespace is refused`(call: BadCall) throws { try call.expectRefusal() }

  static let directories: [BadCall] = [
    .ipam(#"{"dataDir": "DIR/file"}"#, 106, "DIR/file", script: "touch file"),
    .ipam(#"{"dataDir": "DIR/file/below"}"#, 106, "DIR/file", script: "touch file"),
    .ipam(#"{"dataDir": "/proc/cni"}"#, 106, "/proc/cni"), .ipam(#"{"dataDir": "/sys/cni"}"#, 106, "/sys/cni"),
    .ipam(#"{"dataDir": "/dev/null"}"#, 106, "/dev/null"), .ipam(#"{"dataDir": 5}"#, 7, "dataDir", "5"),
    .ipam(#"{"resolvConf": "DIR/missing"}"#, 106, "DIR/missing"), .ipam(#"{"resolvConf": "DIR"}"#, 106, "DIR"),
  ]

  @Test(arguments: directories)
  func `a directory that cannot hold leases is named`(call: BadCall) throws { try call.expectRefusal() }

  /// A call of another plugin, without a chain.
  private static func other(
    _ plugin: String, _ command: String, _ config: String, _ code: Int, _ fragments: String...
  ) -> BadCall {
    BadCall(
      name: "\(plugin) \(command) \(config)", plugin: plugin, command: command, config: config, code: code,
      fragments: fragments
    )
  }

  static let others: [BadCall] =
    ["none", "host", "ipam-host-local"].flatMap { plugin in
      [
        other(plugin, "ADD", "{", 6, "not valid JSON"), other(plugin, "ADD", "{}", 7, "missing network name"),
        other(plugin, "ADD", #"{"name": "../x"}"#, 7, "network name"),
        other(plugin, "ADD", #"{"name": "net", "cniVersion": "9.9.9"}"#, 1, "9.9.9"),
        other(plugin, "ADD", #"{"name": "net", "prevResult": 5}"#, 7, "prevResult"),
        other(plugin, "CHECK", #"{"name": "net", "cniVersion": "1.1.0"}"#, 7, "prevResult"),
        other(plugin, "DEL", "{", 6, "not valid JSON"), other(plugin, "DEL", #"{"name": "a/b"}"#, 7, "network name"),
        other(plugin, "GC", #"{"name": "net", "cniVersion": "1.0.0"}"#, 1, "GC"),
        other(plugin, "FOO", #"{"name": "net"}"#, 4, "unknown CNI_COMMAND: FOO"),
      ]
    } + [
      other("none", "ADD", #"{"name": "net", "ipam": {"type": "host-local"}}"#, 7, "ipam"),
      other("host", "ADD", #"{"name": "net"}"#, 8, "CNI_NETNS"),
      other("ipam-host-local", "ADD", #"{"name": "net"}"#, 7, "ipam"),
      other("ipam-host-local", "ADD", #"{"name": "net", "ipam": {"type": "host-local"}}"#, 7, "range"),
    ]

  @Test(arguments: others)
  func `every plugin refuses an invalid call`(call: BadCall) throws { try call.expectRefusal() }

  /// A call with an IPAM plugin `fake`, which is this script.
  private static func delegate(_ name: String, _ script: String, _ code: Int, _ fragments: String...) -> BadCall {
    BadCall(
      name: name, config: #"{"cniVersion": "1.1.0", "name": "net", "type": "bridge", "ipam": {"type": "fake"}}"#,
      variables: ["CNI_PATH": "DIR/bin"],
      script: "mkdir bin; cat > bin/fake <<'END'\n\(script)\nEND\nchmod +x bin/fake", code: code, fragments: fragments)
  }

  static let delegates: [BadCall] = [
    delegate("garbage", "#!/bin/sh\necho garbage", 105, "fake"), delegate("nothing", "#!/bin/sh", 105, "fake"),
    delegate("garbage and failure", "#!/bin/sh\necho garbage; exit 3", 105, "fake", "3", "garbage"),
    delegate("failure with words", "#!/bin/sh\necho something >&2; exit 3", 105, "fake", "3", "something"),
    delegate("silent failure", "#!/bin/sh\nexit 3", 105, "fake", "3"),
    delegate("killed", "#!/bin/sh\nkill -9 $$", 105, "fake", "137"),
    delegate("own error", #"#!/bin/sh\#necho '{"code": 77, "msg": "own words"}'; exit 1"#, 77, "own words"),
    delegate("own error, late", #"#!/bin/sh\#ncat >&2; echo '{"code": 11, "msg": "later"}'; exit 1"#, 11, "later"),
    delegate("bad address", #"#!/bin/sh\#necho '{"ips": [{"address": "nonsense"}]}'"#, 105, "fake", "nonsense"),
    delegate("truncated", #"#!/bin/sh\#necho '{"ips": ['"#, 105, "fake"),
    delegate("code 0", #"#!/bin/sh\#necho '{"code": 0, "msg": "none"}'; exit 1"#, 105, "fake", "code 0", "none"),
    delegate("an error and status 0", #"#!/bin/sh\#necho '{"code": 7, "msg": "no"}'"#, 105, "fake", "status 0", "no"),
    delegate("an empty object", "#!/bin/sh\necho '{}'", 105, "fake", "no result"),
    delegate("a version alone", #"#!/bin/sh\#necho '{"cniVersion": "1.1.0"}'"#, 105, "fake", "no result"),
    delegate("a list", "#!/bin/sh\necho '[]'", 105, "fake"),
    delegate("unknown interpreter", "#!/not/there", 105, "fake"), delegate("no program", "no program", 105, "fake"),
    delegate(
      "one address twice",
      #"#!/bin/sh\#necho '{"ips": [{"address": "10.9.0.2/24"}, {"address": "10.9.0.2/24"}]}'"#, 100, "10.9.0.2/24"),
    BadCall(
      name: "a directory",
      config: #"{"cniVersion": "1.1.0", "name": "net", "type": "bridge", "ipam": {"type": "fake"}}"#,
      variables: ["CNI_PATH": "DIR/bin"], script: "mkdir -p bin/fake", code: 105, fragments: ["fake", "CNI_PATH"]),
  ]

  @Test(arguments: delegates)
  func `an error of a broken delegate names it`(call: BadCall) throws { try call.expectRefusal() }
}
