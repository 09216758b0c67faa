import CNI
import LabSupport
import Testing

/// The output of the built plugin for each command.
@Suite(.needsRoot)
struct LifeTests {
  @Test func `DEL needs no prevResult, namespace or valid configuration and can be repeated`() throws {
    let bare = [
      #"{"prevResult": null}"#, #"{"args": null, "files": null, "dir": null}"#, #"{"files": "nowhere"}"#,
      #"{"runtimeConfig": {"aliases": ["a b"]}, "hosts": "perhaps"}"#,
    ]
    try StressLab.use { stress in
      try stress.warmUp()
      try stress.run("ADD", 1).requireSuccess()
      let before = stress.snapshot()
      for keys in bare {
        try stress.run("ADD", 2).requireSuccess()
        var call = try stress.call("DEL", 2, keys)
        call.variables["CNI_NETNS"] = nil
        for _ in 1...2 { try stress.lab.run(call).requireSuccess() }
        #expect(stress.snapshot() == before, "\(keys)")
      }
    }
  }

  @Test(arguments: [
    ("sed 's/n1.net/n3.net/' c2/hosts > new; cat new > c2/hosts", "c2/hosts lacks the line \"10.1.0.1 n1.net\""),
    ("sed 1d c2/hosts > new; cat new > c2/hosts", "c2/hosts lacks the line \"10.1.0.2 c2\""),
    ("sed -i 1d c2/hosts", "c2/hosts was removed or replaced"), ("rm c2/hosts", "c2/hosts was removed or replaced"),
    ("echo nameserver 192.0.2.9 >> c2/resolv.conf", "c2/resolv.conf was changed by another program"),
    ("rm c2/hostname", "c2/hostname is missing"),
    ("rm ../state/net/c2:eth0.json", "there is no record of the attachment"),
  ])
  func `CHECK names what was changed in the files`(script: String, fragment: String) throws {
    try StressLab.use { stress in
      for number in 1...2 { try stress.run("ADD", number).requireSuccess() }
      try stress.run("CHECK", 2).requireSuccess()
      try stress.lab.shell("cd \(stress.directory)/files; \(script)")
      let outcome = try stress.run("CHECK", 2)
      #expect(outcome.code == 101)
      #expect(outcome.complaint.contains(fragment), "\(outcome)")
    }
  }

  @Test func `GC removes containers that are not valid even if their files are broken or missing`() throws {
    try StressLab.use { stress in
      try stress.warmUp()
      try stress.run("ADD", 1).requireSuccess()
      let before = stress.snapshot()
      for number in 2...4 { try stress.run("ADD", number).requireSuccess() }
      try stress.lab.shell("echo '{' > \(stress.directory)/state/net/c3:eth0.json; rm -r \(stress.directory)/files/c4")
      let valid = #"{"cni.dev/valid-attachments": [{"containerID": "c1", "ifname": "eth0"}]}"#
      for _ in 1...2 { try stress.ask("GC", valid).requireSuccess() }
      #expect(stress.live(1)?.filter { $0.hasPrefix("10.1.0.2") || $0.hasPrefix("10.1.0.4") } == [])
      #expect(Set(stress.snapshot().keys) == Set(before.keys))
    }
  }

  @Test func `ADD takes over hosts files after the state is lost, and DEL removes them`() throws {
    try StressLab.use { stress in
      try stress.warmUp()
      let empty = stress.snapshot()
      let keys = #"{"hostnameFile": false}"#
      for number in 1...3 { try stress.run("ADD", number, keys).requireSuccess() }
      try stress.lab.shell(
        """
        cd \(stress.directory); stat -c %i files/c1/hosts > inode
        rm -r state files/c3; echo '192.0.2.8 mine # by hand' >> files/c1/hosts
        """)
      let renamed = #"{"hostnameFile": false, "args": {"cni": {"name": "other"}}}"#
      try stress.run("ADD", 1, keys).requireSuccess()
      try stress.run("ADD", 2, renamed).requireSuccess()
      let lines = try #require(stress.live(1))
      #expect(lines.first == "10.1.0.1\tc1")
      let others = ["10.1.0.2\tother", "10.1.0.2\tother.net", "192.0.2.8 mine # by hand"]
      #expect(lines.dropFirst(7).sorted() == (stress.lines(1) + others).sorted())
      try stress.lab.shell("cd \(stress.directory); stat -c %i files/c1/hosts | cmp - inode; rm inode")
      try stress.run("CHECK", 1, keys).requireSuccess()
      try stress.run("CHECK", 2, renamed).requireSuccess()
      for number in 1...2 { try stress.run("DEL", number, keys).requireSuccess() }
      #expect(stress.changes(since: empty) == ["files: [\"nothing\"] is now []"])
    }
  }

  @Test func `STATUS returns code 50 if the state directory cannot be used`() throws {
    try StressLab.use { stress in
      try stress.ask("STATUS").requireSuccess()
      try stress.lab.shell("echo > \(stress.directory)/file")
      #expect(try stress.ask("STATUS", #"{"stateDir": "\#(stress.directory)/file/state"}"#).code == 50)
    }
  }
}
