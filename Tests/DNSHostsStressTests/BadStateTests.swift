import CNI
import Foundation
import LabSupport
import Testing

/// What is remembered may be spoilt by whoever may write there, or by a disk.
@Suite(.needsRoot)
struct BadStateTests {
  @Test(
    arguments: ["net/c2:eth0.json", ".files/c2.json", ".texts/c2.json"],
    ["", "{", "[]", "{}", "\u{0}\u{1}\u{FFFD}", #"{"files": 7, "texts": 7, "owner": 7}"#])
  func `state that cannot be read keeps nobody else from coming or going`(file: String, content: String) throws {
    try Crowd.use { crowd in
      try crowd.visitOnce()
      try crowd.run("ADD", 1).requireSuccess()
      let before = crowd.snapshot()
      try crowd.run("ADD", 2).requireSuccess()
      try Data(content.utf8).write(to: URL(filePath: "\(crowd.directory)/state/\(file)"))
      try crowd.run("ADD", 3).requireSuccess()
      #expect(try #require(crowd.live(1)).suffix(2) == crowd.lines(3))
      for number in [3, 2, 2] { try crowd.run("DEL", number).requireSuccess() }
      let after = crowd.snapshot()
      #expect(after.filter { $0.key.hasPrefix("state") } == before.filter { $0.key.hasPrefix("state") })
      try crowd.run("CHECK", 1).requireSuccess()
      try crowd.run("ADD", 2).requireSuccess()
    }
  }

  @Test(arguments: ["net/c2:eth0.json", "net/c1:eth0.json", ".files/c2.json", ".texts/c2.json"])
  func `while state cannot be read for a moment nothing is forgotten: DEL is refused and may be repeated`(
    file: String
  ) throws {
    try Crowd.use { crowd in
      try crowd.visitOnce()
      try crowd.run("ADD", 1).requireSuccess()
      let before = crowd.snapshot()
      try crowd.run("ADD", 2).requireSuccess()
      let path = "\(crowd.directory)/state/\(file)"
      // The kernel refuses to open it or to read at 0: EACCES or EIO, as rights are.
      try crowd.lab.shell("mount --bind /proc/1/mem \(path)")
      let refused = try crowd.run("DEL", 2)
      let joining = file.hasPrefix("net/") ? try crowd.run("ADD", 3) : nil
      try crowd.lab.shell("umount \(path)")
      #expect(refused.code == 100)
      #expect(refused.complaint.contains("read \(path): "), "\(refused)")
      if let joining { #expect(joining.code == 100, "an ADD without its neighbours' names") }
      for number in [2, 3] { try crowd.run("DEL", number).requireSuccess() }
      #expect(crowd.changes(since: before) == [])
    }
  }

  @Test(
    arguments: ["net/c2:eth0.json", ".files/c2.json", ".texts/c2.json", "net/.lock"], ["d", "d/full", "link", "fifo"])
  func `what is put in the place of state or a lock keeps no DEL from success`(file: String, kind: String) throws {
    try Crowd.use { crowd in
      for number in 1...2 { try crowd.run("ADD", number).requireSuccess() }
      let make = ["d": "mkdir f", "d/full": "mkdir f; echo x > f/x", "link": "ln -s \(crowd.directory)/target f"]
      try crowd.lab.shell(
        """
        cd \(crowd.directory); echo precious > target
        \(make[kind] ?? "mkfifo f"); rm -f 'state/\(file)'; mv -T f 'state/\(file)'
        """)
      for _ in 1...2 { try crowd.run("DEL", 2).requireSuccess() }
      try crowd.run("ADD", 2).requireSuccess()
      try crowd.run("CHECK", 2).requireSuccess()
      for number in [2, 1] { try crowd.run("DEL", number).requireSuccess() }
      try crowd.ask("GC", #"{"cni.dev/valid-attachments": []}"#).requireSuccess()
      #expect(try crowd.lab.shell("cat \(crowd.directory)/target") == "precious\n")
      #expect(try crowd.lab.shell("find \(crowd.directory)/state -name '*.json' -o -name '*.aside'") == "")
    }
  }

  @Test(arguments: [".locks", ".files", ".texts"], ["mkfifo", "touch"])
  func `what is put in the place of a directory of the state keeps no DEL from success`(
    name: String, command: String
  ) throws {
    try Crowd.use { crowd in
      for number in 1...2 { try crowd.run("ADD", number).requireSuccess() }
      try crowd.lab.shell("cd \(crowd.directory)/state; rm -r \(name); \(command) \(name)")
      for _ in 1...2 { try crowd.run("DEL", 2).requireSuccess() }
      try crowd.run("ADD", 2).requireSuccess()
      try crowd.run("CHECK", 2).requireSuccess()
    }
  }

  @Test func `on a full disk an ADD is all there or leaves nothing, and every DEL succeeds`() throws {
    try Crowd.use { crowd in
      try crowd.lab.shell("mount -t tmpfs -o size=512k tmpfs \(crowd.directory)")
      defer { _ = try? crowd.lab.shell("umount \(crowd.directory)") }  // the lab's removal tells
      try crowd.visitOnce()
      for number in 1...2 { try crowd.run("ADD", number).requireSuccess() }
      let before = crowd.snapshot()
      var failed = 0
      var succeeded = 0
      for pages in 0..<16 {
        let filler = "\(crowd.directory)/filler"
        try crowd.lab.shell(
          "dd if=/dev/zero of=\(filler) bs=4k 2>/dev/null || true; truncate -s -\(pages * 4096) \(filler)")
        let outcome = try crowd.run("ADD", 3)
        if outcome.isSuccess {
          succeeded += 1
          #expect(crowd.live(1)?.suffix(2) == crowd.lines(3)[...])
          try crowd.run("CHECK", 3).requireSuccess()
        } else {
          failed += 1
          #expect(outcome.complaint.contains("No space left on device"), "\(outcome)")
        }
        try crowd.run("DEL", 3).requireSuccess()
        try crowd.lab.shell("rm \(filler)")
        #expect(crowd.snapshot() == before, "with \(pages) pages free")
      }
      #expect(failed > 0 && succeeded > 0)
    }
  }
}
