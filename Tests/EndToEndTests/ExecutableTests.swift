import CNI
import LabSupport
import Testing

/// Plugins are static executables; what needs shared libraries is run by `swift-cni-dynamic` beside them.
@Suite(.needsRoot)
struct ExecutableTests {
  /// Adds a directory to the lab in which each plugin runs in a root directory of its own, with busybox and these plugins only.
  private func makeRoot(_ plugins: [String], in lab: Lab) throws -> String {
    let root = "\(lab.directory)/root", wrappers = "\(lab.directory)/wrappers"
    try lab.shell(
      """
      mkdir -p \(root)/bin \(root)/proc \(root)/run/netns \(root)/tmp \(wrappers)
      cp /usr/bin/busybox \(root)/bin
      for plugin in \(plugins.joined(separator: " ")); do
        cp --dereference \(Binaries.ours)/$plugin \(root)/bin
        cat > \(wrappers)/$plugin <<END
      #!/bin/sh
      export CNI_PATH=/bin
      exec /usr/bin/unshare --mount /bin/sh -ec '
        /bin/mount -t proc proc \(root)/proc
        /bin/mount --rbind /run/netns \(root)/run/netns
        exec /usr/sbin/chroot \(root) /bin/'$plugin
      END
        chmod +x \(wrappers)/$plugin
      done
      """)
    return wrappers
  }

  @Test func `plugins need no file but their executables`() throws {
    try Lab.use(containers: 2) { lab in
      let directory = try makeRoot(["bridge", "host-local", "portmap", "firewall"], in: lab)
      func run(_ command: String, _ config: JSONValue, on container: Int = 1, _ plugin: String) throws -> Outcome {
        var call = lab.call(command, config, on: container, plugin: plugin)
        call.directory = directory
        return try lab.run(call)
      }
      let bridge = try lab.bridge(#"{"isDefaultGateway": true, "ipMasq": true, "isolation": "network"}"#)
      let portmap = try JSONValue(
        json: #"""
          {"cniVersion": "1.1.0", "name": "net", "type": "portmap",
          "runtimeConfig": {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}}
          """#)
      let firewall = try JSONValue(json: #"{"cniVersion": "1.1.0", "name": "net", "type": "firewall"}"#)
      let result = try run("ADD", bridge, "bridge").result()
      try run("ADD", portmap.with("prevResult", result), "portmap").requireSuccess()
      try run("ADD", firewall.with("prevResult", result), "firewall").requireSuccess()
      try run("ADD", bridge, on: 2, "bridge").requireSuccess()
      #expect(try lab.pings("10.77.0.3", from: lab.container(1)))
      for (config, plugin) in [(firewall, "firewall"), (portmap, "portmap"), (bridge, "bridge")] {
        let check = try run("CHECK", config.with("prevResult", result), plugin)
        #expect(check.isSuccess, "\(check)")
        try run("DEL", config.with("prevResult", result), plugin).requireSuccess()
      }
      try run("DEL", bridge, on: 2, "bridge").requireSuccess()
      #expect(try lab.shell("nft list ruleset", in: lab.host) == "")
    }
  }

  /// `portmap`, in a directory of its own.
  private func portmap(_ command: String, _ keys: String = "{}", from name: String, in lab: Lab) throws -> Outcome {
    let config = try JSONValue(
      json: #"""
        {"cniVersion": "1.1.0", "name": "net", "type": "portmap",
        "runtimeConfig": {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]},
        "prevResult": {"cniVersion": "1.1.0", "interfaces": [{"name": "eth0", "sandbox": "/run/netns/c1"}],
        "ips": [{"address": "10.77.0.2/24", "interface": 0}]}}
        """#
    ).merging(JSONValue(json: keys))
    var call = lab.call(command, config, on: 1, plugin: "portmap")
    call.directory = "\(lab.directory)/\(name)"
    return try lab.run(call)
  }

  private func install(_ files: [String], in lab: Lab) throws {
    try lab.shell(
      "mkdir \(lab.directory)/bin; cd \(Binaries.ours); cp \(files.joined(separator: " ")) \(lab.directory)/bin")
  }

  private func rules(_ lab: Lab) throws -> String {
    try lab.shell("nft list ruleset; iptables-legacy-save | sed '/^#/d'", in: lab.host)
  }

  @Test(arguments: [
    #"{"conditionsV4": ["ip", "saddr", "192.0.2.0/24"]}"#, #"{"backend": "iptables"}"#,
  ])
  func `a call that needs a library names swift-cni-dynamic if that is missing`(keys: String) throws {
    try Lab.use { lab in
      try install(["portmap"], in: lab)
      if keys.contains("iptables") { try lab.shell("iptables-legacy --table nat --list", in: lab.host) }
      let before = try rules(lab)
      let refused = try portmap("ADD", keys, from: "bin", in: lab)
      #expect(refused.code == 50 && refused.complaint.contains("\(lab.directory)/bin/swift-cni-dynamic"), "\(refused)")
      #expect(try rules(lab) == before)
    }
  }

  @Test func `errors have the texts that other programs print`() throws {
    try Lab.use { lab in
      try lab.shell("ln -s loop \(lab.directory)/loop")
      var call = lab.call("ADD", try lab.bridge(), on: 1, plugin: "bridge")
      call.variables["CNI_NETNS"] = "\(lab.directory)/loop"
      let refused = try lab.run(call)
      #expect(refused.complaint.contains("Too many levels of symbolic links"), "\(refused)")
    }
  }

  @Test func `legacy tables are changed by the executable beside the plugin`() throws {
    try expectLegacyRules { lab in
      try lab.shell("iptables-legacy --table nat --list", in: lab.host)
      return lab
    }
  }

  @Test func `the call is repeated if only it finds that it needs a library`() throws {
    // There is no table yet, and no command that would make tables of nf_tables.
    try expectLegacyRules { lab in try lab.withOwnState(["/etc/alternatives"]) }
  }

  private func expectLegacyRules(on host: (Lab) throws -> Lab) throws {
    try Lab.use { lab in
      let lab = try host(lab)
      try install(["portmap", "swift-cni-dynamic"], in: lab)
      try lab.shell("ip link add br0 up type bridge; ip address add 10.77.0.1/24 dev br0", in: lab.host)
      try portmap("ADD", #"{"backend": "iptables"}"#, from: "bin", in: lab).requireSuccess()
      #expect(try lab.shell("iptables-legacy-save", in: lab.host).contains("10.77.0.2"))
      try portmap("DEL", #"{"backend": "iptables"}"#, from: "bin", in: lab).requireSuccess()
      #expect(try !rules(lab).contains("10.77.0.2"))
    }
  }
}
