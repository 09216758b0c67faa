import CNI
import Foundation
import LabSupport
import Testing

/// State files that another program or a broken disk has changed.
@Suite(.needsRoot)
struct BadStateTests {
  @Test(
    arguments: ["net/c2:eth0.json", ".files/c2.json", ".texts/c2.json"],
    ["", "{", "[]", "{}", "\u{0}\u{1}\u{FFFD}", #"{"files": 7, "texts": 7, "owner": 7}"#])
  func `an unreadable state file does not block ADD and DEL of other containers`(file: String, content: String) throws {
    try StressLab.use { stress in
      try stress.warmUp()
      try stress.run("ADD", 1).requireSuccess()
      let before = stress.snapshot()
      try stress.run("ADD", 2).requireSuccess()
      try Data(content.utf8).write(to: URL(filePath: "\(stress.directory)/state/\(file)"))
      try stress.run("ADD", 3).requireSuccess()
      #expect(try #require(stress.live(1)).suffix(2) == stress.lines(3))
      for number in [3, 2, 2] { try stress.run("DEL", number).requireSuccess() }
      let after = stress.snapshot()
      #expect(after.filter { $0.key.hasPrefix("state") } == before.filter { $0.key.hasPrefix("state") })
      try stress.run("CHECK", 1).requireSuccess()
      try stress.run("ADD", 2).requireSuccess()
    }
  }

  @Test(arguments: ["net/c2:eth0.json", "net/c1:eth0.json", ".files/c2.json", ".texts/c2.json"])
  func `DEL fails while state cannot be read, loses nothing and can be repeated`(
    file: String
  ) throws {
    try StressLab.use { stress in
      try stress.warmUp()
      try stress.run("ADD", 1).requireSuccess()
      let before = stress.snapshot()
      try stress.run("ADD", 2).requireSuccess()
      let path = "\(stress.directory)/state/\(file)"
      // The kernel refuses to open this file, or to read at offset 0: EACCES or EIO, depending on capabilities.
      try stress.lab.shell("mount --bind /proc/1/mem \(path)")
      let refused = try stress.run("DEL", 2)
      let joining = file.hasPrefix("net/") ? try stress.run("ADD", 3) : nil
      try stress.lab.shell("umount \(path)")
      #expect(refused.code == 100)
      #expect(refused.complaint.contains("read \(path): "), "\(refused)")
      if let joining { #expect(joining.code == 100, "an ADD without its neighbours' names") }
      for number in [2, 3] { try stress.run("DEL", number).requireSuccess() }
      #expect(stress.changes(since: before) == [])
    }
  }

  @Test(
    arguments: ["net/c2:eth0.json", ".files/c2.json", ".texts/c2.json", "net/.lock"], ["d", "d/full", "link", "fifo"])
  func `DEL succeeds if a state or lock file was replaced by something else`(file: String, kind: String) throws {
    try StressLab.use { stress in
      for number in 1...2 { try stress.run("ADD", number).requireSuccess() }
      let make = ["d": "mkdir f", "d/full": "mkdir f; echo x > f/x", "link": "ln -s \(stress.directory)/target f"]
      try stress.lab.shell(
        """
        cd \(stress.directory); echo precious > target
        \(make[kind] ?? "mkfifo f"); rm -f 'state/\(file)'; mv -T f 'state/\(file)'
        """)
      for _ in 1...2 { try stress.run("DEL", 2).requireSuccess() }
      try stress.run("ADD", 2).requireSuccess()
      try stress.run("CHECK", 2).requireSuccess()
      for number in [2, 1] { try stress.run("DEL", number).requireSuccess() }
      try stress.ask("GC", #"{"cni.dev/valid-attachments": []}"#).requireSuccess()
      #expect(try stress.lab.shell("cat \(stress.directory)/target") == "precious\n")
      #expect(try stress.lab.shell("find \(stress.directory)/state -name '*.json' -o -name '*.aside'") == "")
    }
  }

  @Test(arguments: [".locks", ".files", ".texts"], ["mkfifo", "touch"])
  func `DEL succeeds if a state directory was replaced by something else`(
    name: String, command: String
  ) throws {
    try StressLab.use { stress in
      for number in 1...2 { try stress.run("ADD", number).requireSuccess() }
      try stress.lab.shell("cd \(stress.directory)/state; rm -r \(name); \(command) \(name)")
      for _ in 1...2 { try stress.run("DEL", 2).requireSuccess() }
      try stress.run("ADD", 2).requireSuccess()
      try stress.run("CHECK", 2).requireSuccess()
    }
  }

  @Test func `ADD on a full disk is complete or leaves nothing, and every DEL succeeds`() throws {
    try StressLab.use { stress in
      try stress.lab.shell("mount -t tmpfs -o size=512k tmpfs \(stress.directory)")
      defer { _ = try? stress.lab.shell("umount \(stress.directory)") }  // the removal of the lab reports errors
      try stress.warmUp()
      for number in 1...2 { try stress.run("ADD", number).requireSuccess() }
      let before = stress.snapshot()
      var failed = 0
      var succeeded = 0
      for pages in 0..<16 {
        let filler = "\(stress.directory)/filler"
        try stress.lab.shell(
          "dd if=/dev/zero of=\(filler) bs=4k 2>/dev/null || true; truncate -s -\(pages * 4096) \(filler)")
        let outcome = try stress.run("ADD", 3)
        if outcome.isSuccess {
          succeeded += 1
          #expect(stress.live(1)?.suffix(2) == stress.lines(3)[...])
          try stress.run("CHECK", 3).requireSuccess()
        } else {
          failed += 1
          #expect(outcome.complaint.contains("No space left on device"), "\(outcome)")
        }
        try stress.run("DEL", 3).requireSuccess()
        try stress.lab.shell("rm \(filler)")
        #expect(stress.snapshot() == before, "with \(pages) pages free")
      }
      #expect(failed > 0 && succeeded > 0)
    }
  }
}
