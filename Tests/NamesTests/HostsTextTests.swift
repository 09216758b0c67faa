import CNI
import Foundation
import Names
import NetTypes
import Testing

struct HostsTextTests {
  @Test func `lines are appended with a newline each`() {
    #expect(HostsText.appended(["1.1.1.1\ta", "::1\tb"], at: 0) == Array("1.1.1.1\ta\n::1\tb\n".utf8))
    #expect(HostsText.appended([], at: 7) == [])
    #expect(HostsText.appended(["1.1.1.1\ta"], at: 3, isLineOpen: true) == Array("\n1.1.1.1\ta\n".utf8))
  }

  @Test(arguments: [0, 1, 4000, 4085, 4086, 4087, 4095, 4096, 8190])
  func `no line crosses a page boundary`(offset: Int) {
    let lines = (0..<300).map { "10.0.\($0 / 256).\($0 % 256)\tname-\($0).net" }
    let bytes = [UInt8](repeating: 0x2E, count: offset) + HostsText.appended(lines, at: offset)
    var start = offset
    var seen: [String] = []
    for index in offset..<bytes.count where bytes[index] == UInt8(ascii: "\n") {
      if index > start {
        #expect(start / HostsText.pageSize == index / HostsText.pageSize, "a line from \(start) to \(index)")
        seen.append(String(decoding: bytes[start..<index], as: UTF8.self))
      }
      start = index + 1
    }
    #expect(seen == lines)
    #expect(bytes.last == UInt8(ascii: "\n"))
  }

  @Test func `a line that ends at a page boundary needs no padding`() {
    let line = "1.1.1.1\ta"
    #expect(HostsText.appended([line], at: 4096 - 10).count == 10)
    #expect(HostsText.appended([line], at: 4096 - 9).count == 9 + 10)
  }

  @Test(arguments: [
    ("1.1.1.1\ta\n2.2.2.2\tb\n", ["2.2.2.2\tb"], [10], []),
    ("1.1.1.1\ta\n1.1.1.1\ta\n", ["1.1.1.1\ta"], [0], []),
    ("1.1.1.1\ta\n1.1.1.1\ta\n", ["1.1.1.1\ta", "1.1.1.1\ta", "1.1.1.1\ta"], [0, 10], ["1.1.1.1\ta"]),
    ("1.1.1.1\ta   \n", ["1.1.1.1\ta"], [0], []),
    ("#.1.1.1\ta\n1.1.1.1\ta b\n 1.1.1.1\ta\n1.1.1.1\tA\n1.1.1.1 a\n", ["1.1.1.1\ta"], [], ["1.1.1.1\ta"]),
    ("\n\n1.1.1.1\ta", ["1.1.1.1\ta"], [], ["1.1.1.1\ta"]), ("", [], [], []),
  ])
  func `finds exactly the given lines`(text: String, lines: [String], found: [Int], missing: [String]) {
    let places = HostsText(Array(text.utf8)).search(for: lines)
    #expect(places.found == found)
    #expect(places.missing == missing)
  }

  @Test func `new lines overwrite deleted lines if more than half of the file is deleted`() {
    let dead = "#.1.1.1\rabc\n#.1.1.1\rde\n"
    let lines = ["2.2.2.2\tx", "3.3.3.3\tlong-name", "4.4.4.4\ty"]
    let (writes, rest) = HostsText(Array((dead + "9.9.9.9\tz\n").utf8)).reuseWrites(for: lines)
    #expect(writes.map(\.offset) == [0, 12])
    #expect(writes.map { String(decoding: $0.bytes, as: UTF8.self) } == ["2.2.2.2\tx  ", "4.4.4.4\ty "])
    #expect(rest == ["3.3.3.3\tlong-name"])
    let mostlyLive = HostsText(Array((dead + String(repeating: "9.9.9.9\tz\n", count: 3)).utf8)).reuseWrites(for: lines)
    #expect(mostlyLive.writes.isEmpty)
    #expect(mostlyLive.rest == lines)
  }

  @Test(arguments: [
    "#10.0.0.1\tcommented\n", "# a remark\r\n", "#\n", "##########\n", "#10.0.0.1\tx\ry\n", "10.0.0.1\ra\n",
  ])
  func `comments and foreign lines are never overwritten`(text: String) {
    #expect(HostsText(Array(text.utf8)).reuseWrites(for: ["1.1.1.1\ta"]).writes.isEmpty)
  }
}
