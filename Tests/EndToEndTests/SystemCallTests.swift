import CNI
import Foundation
import LabSupport
import Testing

/// Which processes a chain of plugins starts on a host with nf_tables only, and what it waits for.
@Suite(.needsRoot)
struct SystemCallTests {
  /// The plugins in the order of ADD.
  private func chain(in lab: Lab) throws -> [(plugin: String, config: JSONValue)] {
    let keys = [
      ("portmap", #"{"runtimeConfig": {"portMappings": [{"hostPort": 8080, "containerPort": 80}]}}"#),
      ("firewall", "{}"),
      ("dns-hosts", #"{"files": "dir", "dir": "\#(lab.directory)/files", "args": {"cni": {"name": "c1"}}}"#),
    ]
    let bridge = try lab.bridge(#"{"isGateway": true, "ipMasq": true, "isolation": "network"}"#)
    return try [("bridge", bridge)]
      + keys.map { plugin, keys in
        (
          plugin,
          try JSONValue(json: #"{"cniVersion": "1.1.0", "name": "net", "type": "\#(plugin)"}"#)
            .merging(JSONValue(json: keys))
        )
      }
  }

  /// A call in which strace records these system calls.
  private func trace(
    _ command: String, _ config: JSONValue, _ plugin: String, _ systemCalls: String, searching path: String? = nil,
    injecting fault: String? = nil, on container: Int = 1, in lab: Lab
  ) throws -> (outcome: Outcome, trace: Trace) {
    var call = lab.call(command, config, on: container, plugin: plugin)
    call.variables["CNI_PATH"] = path ?? Binaries.ours
    let file = "\(lab.directory)/trace"
    let outcome = try lab.run(
      "/usr/bin/strace",
      ["-f", "-qq", "-s", "256", "-o", file, "-e", "signal=none", "-e", "trace=\(systemCalls)"]
        + (fault.map { ["-e", "inject=\($0)"] } ?? []) + ["\(Binaries.ours)/\(plugin)"],
      in: lab.host, environment: lab.environment(call), input: call.config)
    try outcome.requireSuccess()
    return (outcome, Trace(try lab.shell("cat \(file)")))
  }

  /// The programs that ADD, CHECK and DEL of the chain execute, and the processes that they make beside the plugins.
  private func programs(
    _ chain: [(plugin: String, config: JSONValue)], searching path: String? = nil, in lab: Lab
  ) throws -> (executed: [String], children: [String]) {
    var executed: [String] = [], children: [String] = [], result: JSONValue?
    for command in ["ADD", "CHECK", "DEL"] {
      for (plugin, config) in command == "DEL" ? chain.reversed() : chain {
        let config = result.map { config.with("prevResult", $0) } ?? config
        let (outcome, trace) = try trace(
          command, config, plugin, "execve,execveat,clone,clone3,fork,vfork", searching: path, in: lab)
        executed += trace.executed
        children += trace.calls.filter(\.makesProcess).map { "\(plugin) \(command): \($0.line)" }
        if command == "ADD" { result = try outcome.result() }
      }
    }
    return (executed, children)
  }

  @Test func `a full chain starts no process beside the plugins`() throws {
    try Lab.use { lab in
      let lab = try lab.withOwnState()
      let chain = try chain(in: lab)
      let (executed, children) = try programs(chain, in: lab)
      let plugins = chain.map { "\(Binaries.ours)/\($0.plugin)" }
      #expect(executed == plugins + plugins + plugins.reversed())
      // A DEL that has deleted rules leaves its netfilter sockets to a child that executes nothing.
      #expect(children.count == 3)
      let isLateClosing = { (child: String) in child.contains(" DEL: clone(") && child.contains("=CLONE_VM|SIGCHLD") }
      #expect(children.allSatisfy(isLateClosing), "\(children)")
    }
  }

  @Test func `a process that a chain starts is counted`() throws {
    try Lab.use { lab in
      let lab = try lab.withOwnState()
      // The reference's host-local does not know the latest version.
      let config = try chain(in: lab)[0].config.with("cniVersion", "1.0.0")
      let (executed, children) = try programs([("bridge", config)], searching: Binaries.reference, in: lab)
      let both = ["\(Binaries.ours)/bridge", "\(Binaries.reference)/host-local"]
      #expect(executed == both + both + both)
      #expect(children.contains { $0.hasPrefix("bridge ADD: ") })
    }
  }

  private static let waiting =
    "socket,fcntl,dup,dup2,dup3,close,close_range,clone,clone3,fork,vfork,wait4,waitid,sendmsg,exit_group"

  /// Every DEL with rules; that of bridge removes a link too.
  @Test func `DEL waits neither for the kernel to free rules nor for a child`() throws {
    try Lab.use { lab in
      let lab = try lab.withOwnState()
      let chain = try chain(in: lab).filter { $0.plugin != "dns-hosts" }
      var result: JSONValue?
      for (plugin, config) in chain {
        let config = result.map { config.with("prevResult", $0) } ?? config
        let (outcome, trace) = try trace("ADD", config, plugin, Self.waiting, in: lab)
        result = try outcome.result()
        // ADD deletes nothing, and closes what it has opened.
        #expect(trace.netfilterSocketsAtExit == [], "\(plugin)")
      }
      for (plugin, config) in chain.reversed() {
        let (_, trace) = try trace(
          "DEL", config.with("prevResult", try #require(result)), plugin, Self.waiting, in: lab)
        // For a socket of another network namespace strace prints the number of RTM_DELLINK.
        let deletesLink = trace.own.contains { $0.line.contains(/nlmsg_type=(RTM_DELLINK|0x11)\b/) }
        #expect(deletesLink == (plugin == "bridge"))
        // The last close of a netfilter socket would wait, so each of them is still open when the process ends.
        #expect(trace.netfilterSocketsAtExit != [], "\(plugin)")
        #expect(!trace.own.contains { ["wait4", "waitid"].contains($0.name) }, "\(plugin)")
        // The child has copies of them: with a shared table of descriptors the end of the plugin would close them.
        let children = trace.own.filter(\.makesProcess)
        #expect(children.count == 1 && !children[0].line.contains("CLONE_FILES"), "\(plugin): \(children)")
      }
      #expect(try lab.shell("nft list ruleset", in: lab.host) == "")
    }
  }

  @Test func `DEL that cannot copy its netfilter sockets closes them itself`() throws {
    try Lab.use { lab in
      let lab = try lab.withOwnState()
      let config = try chain(in: lab)[0].config
      try lab.add(config).requireSuccess()
      // The first calls look whether the standard streams are open.
      let fault = "fcntl:error=EMFILE:when=4+"
      let (_, trace) = try trace("DEL", config, "bridge", Self.waiting, injecting: fault, in: lab)
      #expect(trace.netfilterSocketsAtExit == [])
      #expect(!trace.own.contains { $0.makesProcess })
    }
  }

  @Test func `ADD of overlay-vxlan does not read which hosts its rules are for if no host has changed`() throws {
    try Lab.use(containers: 3) { lab in
      let lab = try lab.withOwnState()
      try lab.shell(
        """
        ip link add underlay up type veth peer name remote
        ip address add 192.0.2.1/24 dev underlay
        ip link set remote up
        echo '{"peers": [{"vtep": "192.0.2.1", "subnet": "10.78.1.0/24"}, {"vtep": "192.0.2.2", "subnet": "10.78.2.0/24"}]}' \
          > \(lab.directory)/peers
        """, in: lab.host)
      let config = try JSONValue(
        json: #"""
          {"cniVersion": "1.1.0", "name": "overlay", "type": "overlay-vxlan", "mode": "l3", "vni": 78,
           "network": "10.78.0.0/16", "controlPlane": {"type": "static", "peersFile": "\#(lab.directory)/peers"},
           "ipam": {"type": "host-local", "dataDir": "\#(lab.dataDir)"}}
          """#)
      let traces = try (1...3).map {
        try trace("ADD", config, "overlay-vxlan", "?open,openat,?unlink,unlinkat", on: $0, in: lab).trace
      }
      // The first ADD writes the record of the hosts that the tunnel's rules are for.
      #expect(traces.map { $0.calls.contains { $0.line.contains(".tunnels\"") } } == [true, false, false])
    }
  }
}

/// System calls as `strace -f` prints them.
private struct Trace {
  struct Call {
    var process: String
    var name: String
    var line: String

    /// The number after `=`; `nil` if the call failed or has not ended on this line.
    var result: Int? { line.range(of: " = ", options: .backwards).flatMap { Int(line[$0.upperBound...]) } }
    var argument: Int? { Int(line.drop { $0 != "(" }.dropFirst().prefix { $0.isNumber }) }
    var makesProcess: Bool { ["clone", "clone3", "fork", "vfork"].contains(name) }
  }

  let calls: [Call]

  init(_ text: String) {
    calls = text.split(separator: "\n").compactMap { line in
      let words = line.split(separator: " ", maxSplits: 1)
      guard words.count == 2, let end = words[1].firstIndex(of: "("), !words[1].hasPrefix("<...") else { return nil }
      let call = words[1].drop { $0 == " " }
      return Call(
        process: String(words[0]), name: String(call[..<end]), line: String(call))
    }
  }

  /// The calls of the plugin's own process.
  var own: [Call] { calls.filter { $0.process == calls.first?.process } }

  /// The paths of the programs that were executed.
  var executed: [String] {
    calls.filter { $0.name.hasPrefix("execve") }.compactMap { call in
      call.line.split(separator: "\"").dropFirst().first.map(String.init)
    }
  }

  /// The descriptors of netfilter sockets that the plugin's process has not closed when it ends.
  var netfilterSocketsAtExit: [Int] {
    var open: Set<Int> = []
    for call in own {
      switch call.name {
      case "socket": if call.line.contains("NETLINK_NETFILTER"), let made = call.result { open.insert(made) }
      case "fcntl", "dup", "dup2", "dup3":
        if let from = call.argument, open.contains(from), call.name != "fcntl" || call.line.contains("F_DUPFD"),
          let made = call.result
        {
          open.insert(made)
        }
      case "close": if let closed = call.argument { open.remove(closed) }
      case "close_range": open = []
      default: break
      }
    }
    return open.sorted()
  }
}
