import CNI
import LabSupport
import Testing

/// What the built plugin answers to each command.
@Suite(.needsRoot)
struct LifeTests {
  @Test func `DEL needs neither prevResult, namespace nor a configuration that fits, and may come twice`() throws {
    let bare = [
      #"{"prevResult": null}"#, #"{"args": null, "files": null, "dir": null}"#, #"{"files": "nowhere"}"#,
      #"{"runtimeConfig": {"aliases": ["a b"]}, "hosts": "perhaps"}"#,
    ]
    try Crowd.use { crowd in
      try crowd.visitOnce()
      try crowd.run("ADD", 1).requireSuccess()
      let before = crowd.snapshot()
      for keys in bare {
        try crowd.run("ADD", 2).requireSuccess()
        var call = try crowd.call("DEL", 2, keys)
        call.variables["CNI_NETNS"] = nil
        for _ in 1...2 { try crowd.lab.run(call).requireSuccess() }
        #expect(crowd.snapshot() == before, "\(keys)")
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
  func `CHECK names what somebody changed`(script: String, words: String) throws {
    try Crowd.use { crowd in
      for number in 1...2 { try crowd.run("ADD", number).requireSuccess() }
      try crowd.run("CHECK", 2).requireSuccess()
      try crowd.lab.shell("cd \(crowd.directory)/files; \(script)")
      let outcome = try crowd.run("CHECK", 2)
      #expect(outcome.code == 101)
      #expect(outcome.complaint.contains(words), "\(outcome)")
    }
  }

  @Test func `GC removes who is not valid, whatever of them is left`() throws {
    try Crowd.use { crowd in
      try crowd.visitOnce()
      try crowd.run("ADD", 1).requireSuccess()
      let before = crowd.snapshot()
      for number in 2...4 { try crowd.run("ADD", number).requireSuccess() }
      try crowd.lab.shell("echo '{' > \(crowd.directory)/state/net/c3:eth0.json; rm -r \(crowd.directory)/files/c4")
      let valid = #"{"cni.dev/valid-attachments": [{"containerID": "c1", "ifname": "eth0"}]}"#
      for _ in 1...2 { try crowd.ask("GC", valid).requireSuccess() }
      #expect(crowd.live(1)?.filter { $0.hasPrefix("10.1.0.2") || $0.hasPrefix("10.1.0.4") } == [])
      #expect(Set(crowd.snapshot().keys) == Set(before.keys))
    }
  }

  @Test func `what a former life left is ours again: it tells the present alone and goes at the end`() throws {
    try Crowd.use { crowd in
      try crowd.visitOnce()
      let empty = crowd.snapshot()
      let keys = #"{"hostnameFile": false}"#
      for number in 1...3 { try crowd.run("ADD", number, keys).requireSuccess() }
      try crowd.lab.shell(
        """
        cd \(crowd.directory); stat -c %i files/c1/hosts > inode
        rm -r state files/c3; echo '192.0.2.8 mine # by hand' >> files/c1/hosts
        """)
      let renamed = #"{"hostnameFile": false, "args": {"cni": {"name": "other"}}}"#
      try crowd.run("ADD", 1, keys).requireSuccess()
      try crowd.run("ADD", 2, renamed).requireSuccess()
      let lines = try #require(crowd.live(1))
      #expect(lines.first == "10.1.0.1\tc1")
      let others = ["10.1.0.2\tother", "10.1.0.2\tother.net", "192.0.2.8 mine # by hand"]
      #expect(lines.dropFirst(7).sorted() == (crowd.lines(1) + others).sorted())
      try crowd.lab.shell("cd \(crowd.directory); stat -c %i files/c1/hosts | cmp - inode; rm inode")
      try crowd.run("CHECK", 1, keys).requireSuccess()
      try crowd.run("CHECK", 2, renamed).requireSuccess()
      for number in 1...2 { try crowd.run("DEL", number, keys).requireSuccess() }
      #expect(crowd.changes(since: empty) == ["files: [\"nothing\"] is now []"])
    }
  }

  @Test func `STATUS answers 50 where nothing can be remembered`() throws {
    try Crowd.use { crowd in
      try crowd.ask("STATUS").requireSuccess()
      try crowd.lab.shell("echo > \(crowd.directory)/file")
      #expect(try crowd.ask("STATUS", #"{"stateDir": "\#(crowd.directory)/file/state"}"#).code == 50)
    }
  }
}
