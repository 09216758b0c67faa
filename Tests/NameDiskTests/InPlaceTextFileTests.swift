import BaseSupport
import CNI
import Foundation
import Glibc
import Linux
import Names
import Synchronization
import Testing

@Suite struct LiveTextTests {
  static let short = "nameserver 10.0.0.1\n"
  static let long =
    "# header\nnameserver 10.11.12.13\nnameserver fd00::53\nsearch a.example b.example\noptions ndots:5\n"

  private func live(_ path: String) throws -> InPlaceTextFile {
    InPlaceTextFile(try Descriptor.open(path, for: .updating))
  }
  private func text(_ path: String) -> String {
    String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
  }

  @Test(
    arguments: [
      ("", short), (short, long), (long, short), (long, long), (short, "nameserver 10.0.0.2\n"), (short, ""),
      ("nameserver 1.1.1.1", long), ("\n\n#\n", short), ("#", short), (long + long, short), ("\n", "\n"), ("x", "y\n"),
    ])
  func `the new text replaces the old text in the same inode`(old: String, new: String) throws {
    try inTemporaryDirectory { path in
      let file = "\(path)/f"
      try Data(old.utf8).write(to: URL(fileURLWithPath: file))
      let before = try #require(try Files.status(file)).inode
      try live(file).replace(with: new)
      #expect(text(file) == new)
      #expect(try Files.status(file)?.inode == before)
      #expect(tree(path) == ["f"])
    }
  }

  @Test func `a reader sees the settings of the old or the new text and never none`() throws {
    try inTemporaryDirectory { path in
      let file = "\(path)/f"
      let texts = [
        Self.long, Self.short, "# header\nnameserver 10.99.98.97\nsearch other.example\n",
        "nameserver 10.5.5.5\nnameserver 10.6.6.6\nnameserver 10.7.7.7\nsearch \(String(repeating: "x.", count: 90))y\n",
      ]
      try live(file).replace(with: Self.long)
      let known = texts.map { DNS(resolvConf: $0) }
      let servers = Set(known.flatMap(\.nameservers)), words = Set(known.flatMap { $0.search + $0.options })
      let isDone = Atomic(false)
      let wrong = Mutex<Set<String>>([])
      let reads = Atomic(0)
      DispatchQueue.concurrentPerform(iterations: 4) { worker in
        if worker == 0 {
          // On a busy machine readers start late, so more rounds are needed.
          var round = 0
          while round < 1500 || (reads.load(ordering: .relaxed) <= 100 && round < 1_000_000) {
            round += 1
            do { try live(file).replace(with: texts[round % texts.count]) } catch {
              wrong.withLock { _ = $0.insert("\(error)") }
            }
          }
          isDone.store(true, ordering: .relaxed)
        }
        while !isDone.load(ordering: .relaxed) {
          let dns = asResolversRead(file)
          reads.add(1, ordering: .relaxed)
          wrong.withLock {
            $0.formUnion(Set(dns.nameservers).subtracting(servers))
            $0.formUnion(Set(dns.search + dns.options).subtracting(words))
            if dns.nameservers.isEmpty || dns.domain != nil { $0.insert("\(dns)") }
          }
        }
      }
      #expect(wrong.withLock { $0 }.isEmpty)
      #expect(reads.load(ordering: .relaxed) > 100)
      #expect(texts.contains(text(file)))
    }
  }

  /// Reads to the end: Foundation stops where the file ended when it was opened.
  ///
  /// A reader that reaches the end and reads on after the file has grown starts within a line, so the test compares the
  /// entries that a resolver parses.
  private func asResolversRead(_ file: String) -> DNS {
    DNS(resolvConf: String(decoding: (try? Files.read(file)) ?? [], as: UTF8.self))
  }
}
