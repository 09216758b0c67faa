import BaseSupport
import CNI
import Foundation
import LabSupport
import Synchronization
import Testing

@Suite(.needsRoot)
struct StressTests {
  @Test(arguments: [false, true])
  func `a reader sees no empty, torn or wrong hosts file during ADD and DEL`(inMemory: Bool) throws {
    try StressLab.use(inMemory: inMemory) { stress in
      for number in 1...3 { try stress.run("ADD", number, Self.filler).requireSuccess() }
      let readers = Mutex(3)
      let comings = Mutex(0)
      let outcomes = atOnce(7, workers: 7) { worker -> [String] in
        if worker < 3 {
          defer { readers.withLock { $0 -= 1 } }
          return try Self.read(worker + 1, of: stress)
        }
        // The names have different lengths and numbers, so that lines begin at different offsets each time.
        let number = [7, 77, 777, 7777][worker - 3]
        let aliases =
          #"{"runtimeConfig": {"aliases": [\#(Self.aliases(number).map { "\"\($0)\"" }.joined(separator: ","))]}}"#
        while readers.withLock({ $0 > 0 }) {
          for command in ["ADD", "DEL"] { try stress.run(command, number, aliases).requireSuccess() }
          comings.withLock { $0 += 1 }
        }
        return []
      }
      for outcome in outcomes { #expect(try outcome.get() == []) }
      #expect(comings.withLock(\.self) > 0)
      for number in 1...3 {
        let lines = try #require(stress.live(number))
        #expect(Set(lines.filter { !$0.contains("filler") }) == Self.steady(number, stress))
      }
    }
  }

  @Test func `every container has a complete hosts file after a hundred ADDs at once`() throws {
    try StressLab.use { stress in
      let outcomes = atOnce(100, workers: 12) { try stress.run("ADD", $0 + 1).requireSuccess() }
      for outcome in outcomes { try outcome.get() }
      let allLines = (1...100).flatMap(stress.lines)
      for number in 1...100 {
        let lines = try #require(stress.live(number))
        #expect(lines.first == "\(stress.address(number))\tc\(number)")
        #expect(lines.dropFirst(7).sorted() == allLines.sorted())
      }
      let leaving = atOnce(100, workers: 12) { try stress.run("DEL", $0 + 1).requireSuccess() }
      for outcome in leaving { try outcome.get() }
      #expect(try FileManager.default.contentsOfDirectory(atPath: "\(stress.directory)/files") == [])
    }
  }

  /// Lines of only one container, more than a page of memory.
  private static let filler =
    #"{"extraHosts": [\#((0..<300).map { #""filler-\#($0):192.0.2.\#($0 % 250)""# }.joined(separator: ","))]}"#

  private static func aliases(_ number: Int) -> [String] { (0..<40).map { "alias-\($0)-of-\(number)" } }

  /// The lines, without the filler, of the hosts file of one of the three containers that stay.
  private static func steady(_ number: Int, _ stress: StressLab) -> Set<String> {
    let standard = [
      "127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback", "fe00::0\tip6-localnet",
      "ff00::0\tip6-mcastprefix", "ff02::1\tip6-allnodes", "ff02::2\tip6-allrouters",
    ]
    return Set(standard + ["\(stress.address(number))\tc\(number)"] + (1...3).flatMap(stress.lines))
  }

  /// Reads a file 20,000 times in other processes.
  ///
  /// - Returns: descriptions of the wrong contents that were read.
  private static func read(_ number: Int, of stress: StressLab) throws -> [String] {
    let guests = [7, 77, 777, 7777].flatMap { guest in
      stress.lines(guest) + aliases(guest).map { "\(stress.address(guest))\t\($0)" }
    }
    let steady = steady(number, stress).union((0..<300).map { "192.0.2.\($0 % 250)\tfiller-\($0)" })
    let input = JSONValue.object([
      "path": .string(stress.hostsPath(number)), "steady": .array(steady.sorted().map { .string($0) }),
      "guests": .array(guests.map { .string($0) }),
    ])
    // In ten parts, because the lab ends a program after a minute.
    return try (0..<10).flatMap { _ in
      let outcome = try stress.lab.run("/usr/bin/python3", ["-B", "-c", program], input: input.line)
      return try outcome.result().list("").compactMap(\.string)
    }
  }

  /// A line that is being removed may have a carriage return for its tab; one that reuses its bytes may end in spaces.
  private static let program = """
    from json import dump, load
    from sys import stdin, stdout
    wanted = load(stdin)
    steady = {line.encode() for line in wanted["steady"]}
    known = steady | {line.encode() for line in wanted["guests"]}
    known |= {line.replace(b"\\t", b"\\r") for line in known} | {b""}
    wrong, last = [], b""
    for number in range(2000):
      with open(wanted["path"], "rb", buffering=0) as file:
        text = file.readall()
      if text == last:
        continue
      last = text
      lines = {line.rstrip(b" ") for line in text.split(b"\\n") if not line.startswith(b"#")}
      missing, strange = steady - lines, lines - known
      if (missing or strange) and len(wrong) < 10:
        wrong.append(f"reading {number}: lacks {sorted(missing)[:3]}, has {sorted(strange)[:3]}")
    dump(wrong, stdout)
    """
}
