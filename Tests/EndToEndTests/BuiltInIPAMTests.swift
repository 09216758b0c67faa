import CNI
import LabSupport
import Testing

/// An IPAM plugin of the same build runs in the main plugin's process; any other one is executed.
@Suite(.needsRoot)
struct BuiltInIPAMTests {
  private static let first = String(repeating: "1f", count: 32), second = String(repeating: "2e", count: 32)

  /// Copies bridge of the first build and ipam-host-local of the build `id` into the directory `name` of the lab.
  private func install(_ name: String, ipam id: String, in lab: Lab) throws {
    try lab.shell(
      """
      mkdir \(lab.directory)/\(name)
      scripts/stamp \(Self.first) \(Binaries.ours)/bridge \(lab.directory)/\(name)/bridge
      scripts/stamp \(id) \(Binaries.ours)/ipam-host-local \(lab.directory)/\(name)/ipam-host-local
      ln -s ipam-host-local \(lab.directory)/\(name)/host-local
      """)
  }

  private func run(_ command: String, _ config: JSONValue, args: String = "", from name: String, in lab: Lab) throws
    -> Outcome
  {
    var call = lab.call(command, config, on: 1, args: args)
    call.directory = "\(lab.directory)/\(name)"
    call.variables["CNI_PATH"] = call.directory
    return try lab.run(call)
  }

  @Test func `IPAM of the same build needs no process`() throws {
    try Lab.use { lab in
      let config = try lab.bridge()
      for (name, id) in [("same", Self.first), ("other", Self.second)] { try install(name, ipam: id, in: lab) }
      // With only zeros after the page that has the note, a process would crash.
      try lab.shell(
        "for file in \(lab.directory)/*/ipam-host-local; do truncate -s 4096 $file; truncate -s 8M $file; done")
      #expect(try run("ADD", config, from: "same", in: lab).result().text("ips.0.address") == "10.77.0.2/24")
      #expect(try run("DEL", config, from: "same", in: lab).isSuccess)
      #expect(try run("ADD", config, from: "other", in: lab).code == 105)
    }
  }

  @Test func `a file without the permission to execute is refused`() throws {
    try Lab.use { lab in
      try install("same", ipam: Self.first, in: lab)
      try lab.shell("chmod a-x \(lab.directory)/same/ipam-host-local")
      let refused = try run("ADD", try lab.bridge(), from: "same", in: lab)
      #expect(refused.code == 105 && refused.complaint.contains("Permission denied"), "\(refused)")
    }
  }

  @Test func `a foreign executable of that name is executed`() throws {
    try Lab.use { lab in
      try install("same", ipam: Self.first, in: lab)
      let plugin = "\(lab.directory)/same/ipam-host-local"
      try lab.shell(
        """
        mv \(plugin) \(plugin).real
        printf '#!/bin/sh\\necho $CNI_COMMAND >> \(lab.directory)/calls\\nexec \(plugin).real\\n' > \(plugin)
        chmod +x \(plugin)
        """)
      let config = try lab.bridge()
      #expect(try run("ADD", config, from: "same", in: lab).isSuccess)
      #expect(try run("DEL", config, from: "same", in: lab).isSuccess)
      #expect(try lab.shell("cat \(lab.directory)/calls") == "ADD\nDEL\n")
    }
  }

  /// Keys of `ipam`, and `CNI_ARGS`.
  static let requests: [(ipam: String, args: String)] = [
    (#"{"subnet": "10.77.0.0/24"}"#, ""), (#"{"subnet": "10.77.0.0/24"}"#, "IP=10.77.0.9"),
    (#"{"subnet": "10.77.0.0/24"}"#, "IP=10.78.0.9"), (#"{"subnet": "10.77.0.0/24", "rangeStart": "10.9.0.1"}"#, ""),
    (#"{"ranges": [[{"subnet": "10.77.0.0/24"}], [{"subnet": "fd77::/64"}]], "routes": [{"dst": "0.0.0.0/0"}]}"#, ""),
    (#"{"ranges": [[{"subnet": "10.77.0.0/30"}, {"subnet": "10.78.0.0/30"}]], "sticky": true}"#, "K8S_POD_NAME=web"),
    (#"{"subnet": "10.77.0.0/24", "resolvConf": "/not/there"}"#, ""), (#"{"ranges": []}"#, ""), ("{}", ""),
  ]

  @Test(arguments: requests.indices)
  func `both ways print the same and leave the same files`(number: Int) throws {
    let (ipam, args) = Self.requests[number]
    try Lab.use { lab in
      for (name, id) in [("same", Self.first), ("other", Self.second)] { try install(name, ipam: id, in: lab) }
      var traces: [[String]] = []
      for name in ["same", "other"] {
        let keys = try JSONValue(json: ipam).with("type", "ipam-host-local")
          .with("dataDir", .string("\(lab.directory)/leases"))
        var config = try lab.bridge().with("ipam", keys)
        var trace: [String] = []
        for command in ["STATUS", "ADD", "ADD", "CHECK", "DEL", "DEL"] {
          let outcome = try run(command, config, args: "IgnoreUnknown=1;\(args)", from: name, in: lab)
          if command == "ADD", outcome.isSuccess { config = try config.with("prevResult", outcome.result()) }
          trace += ["\(command) \(outcome.status)", outcome.output, outcome.errors]
          trace += [
            try lab.shell(
              "cd \(lab.directory) && find leases -type f 2> /dev/null | sort | xargs -r grep -H '' || true")
          ]
        }
        try lab.shell("rm -rf \(lab.directory)/leases; ip link del br0 2> /dev/null || true", in: lab.host)
        traces.append(trace.map { $0.replacing(/"mac":"[^"]*"|veth\w+/, with: "") })
      }
      #expect(traces[0] == traces[1])
    }
  }
}
