import BaseSupport
import CNI
import Foundation
import Synchronization
import Testing
@testable import Names

// Group: kernel

struct ConcurrencyTests {
  @Test func `a reader never sees an empty, torn or wrong hosts file while containers join and leave`() throws {
    try Net.use { net in
      try net.join(1, extra: Self.filler)
      let wrong = Mutex<[String]>([])
      let reads = Mutex(0)
      let writers = Mutex(4)
      _ = atOnce(7) { worker in
        if worker < 4 {
          for _ in 0..<30 {
            // The numbers have different lengths, so that lines begin at different offsets each time.
            let number = [7, 77, 777, 7777][worker]
            do {
              try net.join(number, aliases: Self.aliases(of: number))
              try net.leave(number)
            } catch { wrong.withLock { $0.append("\(error)") } }
          }
          writers.withLock { $0 -= 1 }
        } else {
          while writers.withLock({ $0 > 0 }) {
            let found = Self.complaints(of: net)
            if !found.isEmpty { wrong.withLock { $0 += found } }
            reads.withLock { $0 += 1 }
          }
        }
      }
      #expect(wrong.withLock(\.self) == [])
      #expect(reads.withLock(\.self) > 20)
      // A file of this size reuses the bytes of removed lines.
      #expect(try #require(net.hosts(1)).utf8.count > 64 << 10)
      #expect(net.live(1) == ["10.3.0.1\tc1"] + Self.filler + [net.line(1)])
    }
  }

  @Test func `100 containers that join concurrently are all in each other's hosts files`() throws {
    try Net.use { net in
      let failures = Mutex<[String]>([])
      _ = atOnce(8) { worker in
        for number in stride(from: worker + 1, through: 100, by: 8) {
          do { try net.join(number) } catch { failures.withLock { $0.append("\(error)") } }
        }
      }
      #expect(failures.withLock(\.self) == [])
      let all = Set((1...100).map { net.line($0) })
      for number in 1...100 {
        #expect(Set(net.live(number)) == all.union(["\(net.address(number))\tc\(number)"]))
        #expect(net.live(number).count == 101)
      }
    }
  }

  @Test func `a container can join several networks concurrently`() throws {
    try Net.use { net in
      let networks = (1...8).map { String(repeating: "n", count: $0) }
      let failures = Mutex<[String]>([])
      _ = atOnce(8) { worker in
        do { try net.join(1, on: networks[worker]) } catch { failures.withLock { $0.append("\(error)") } }
      }
      #expect(failures.withLock(\.self) == [])
      #expect(Set(networks.map { net.line(1, on: $0) }).isSubset(of: net.live(1)))
      #expect(net.live(1).filter { $0.hasSuffix("\tc1") }.count == 1)
      _ = atOnce(8) { worker in
        do { try net.leave(1, on: networks[worker]) } catch { failures.withLock { $0.append("\(error)") } }
      }
      #expect(failures.withLock(\.self) == [])
      #expect(net.hosts(1) == nil)
      let container = try net.owner(1).container
      #expect(try net.state.record(of: container).files == [])
    }
  }

  /// Lines that always stay, more than a page of memory.
  private static let filler = (0..<600).map { "192.0.2.\($0 % 250)\tfiller-\($0)" }

  /// Enough aliases to make a hosts file long while they are added and removed.
  private static func aliases(of number: Int) -> [String] {
    (0..<20).map { "alias-\(number)-\($0)-" + String(repeating: "x", count: 30) }
  }

  /// Reads the first container's hosts file once and returns what is wrong with it.
  private static func complaints(of net: Net) -> [String] {
    guard let text = net.hosts(1) else { return ["no file"] }
    let visitors = [7, 77, 777, 7777]
    let allowed = Set(
      ([1] + visitors).map { net.line($0) }
        + visitors.flatMap { number in aliases(of: number).map { net.line(number, as: $0) } })
    var seen = 0
    var wrong: [String] = []
    for line in text.split(separator: "\n") where !line.hasPrefix("#") {
      // A line that reuses a removed one's bytes may end in spaces; one that is being removed may have lost its tab.
      let words = line.split { "\t\r ".contains($0) }.joined(separator: "\t")
      if words.contains("filler-") {
        seen += 1
      } else if !allowed.contains(words), !OwnLines.standard.contains(String(line)), words != "10.3.0.1\tc1" {
        wrong.append("line \"\(line)\"")
      }
    }
    if seen != filler.count { wrong.append("\(seen) of the lines that are always there") }
    return wrong
  }
}

struct ReuseTests {
  @Test func `the hosts file does not grow without limit while containers join and leave`() throws {
    try Net.use { net in
      try net.join(1)
      var largest = 0
      for round in 0..<20 {
        let aliases = (0..<100).map { "alias-\(round)-\($0)-" + String(repeating: "x", count: 40) }
        try net.join(2 + round % 3, aliases: aliases)
        try net.leave(2 + round % 3)
        largest = max(largest, net.hosts(1)?.utf8.count ?? 0)
      }
      #expect(largest > 64 << 10)
      #expect(largest < 80 << 10)
      #expect(net.live(1) == ["10.3.0.1\tc1", net.line(1)])
      try net.join(2, as: "web")
      #expect(net.live(1).filter { $0 == "10.3.0.2\tweb" }.count == 1)
      #expect(try net.differences(1) == [])
    }
  }

  @Test func `a container that changes its network often reuses deleted lines of its hosts file`() throws {
    try Net.use { net in
      try net.join(1)
      for number in 2...4 {
        let aliases = (0..<100).map { "alias-\(number)-\($0)-" + String(repeating: "x", count: 40) }
        try net.join(number, on: "other", aliases: aliases)
      }
      for _ in 0..<8 {
        try net.join(1, on: "other")
        try net.leave(1, on: "other")
      }
      let size = try #require(net.hosts(1)?.utf8.count)
      #expect(size > 64 << 10)
      #expect(size < 100 << 10)
      try net.join(1, on: "other")
      #expect(try net.differences(1, on: "other") == [])
      #expect(try net.differences(1) == [])
    }
  }
}
