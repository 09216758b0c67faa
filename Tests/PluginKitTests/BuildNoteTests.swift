import BaseSupport
import Foundation
import Linux
import Testing

struct BuildNoteTests {
  private static let id = [UInt8](repeating: 0x1F, count: 32)

  /// A file with ELF header, one program header of type PT_NOTE, and these notes.
  private static func elf(_ notes: [UInt8]) -> [UInt8] {
    [0x7F, 0x45, 0x4C, 0x46, 2, 1] + zeros(26) + integer(64, 8) + zeros(14) + integer(56, 2) + integer(1, 2) + zeros(6)
      + integer(4, 4) + zeros(4) + integer(120, 8) + zeros(16) + integer(notes.count, 8) + zeros(16) + notes
  }

  private static func note(_ name: String, _ desc: [UInt8]) -> [UInt8] {
    let nameBytes = Array(name.utf8) + [0]
    return integer(nameBytes.count, 4) + integer(desc.count, 4) + integer(1, 4) + padded(nameBytes) + padded(desc)
  }

  private static func desc(_ id: [UInt8], _ program: String) -> [UInt8] {
    id + Array(program.utf8) + zeros(32 - program.utf8.count)
  }

  private static func padded(_ bytes: [UInt8]) -> [UInt8] { bytes + zeros(-bytes.count & 3) }
  private static func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }
  private static func integer(_ value: Int, _ size: Int) -> [UInt8] {
    (0..<size).map { UInt8(value >> ($0 * 8) & 0xFF) }
  }

  private func read(_ bytes: [UInt8]) throws -> BuildNote? {
    try inTemporaryDirectory { directory in
      try Data(bytes).write(to: URL(filePath: "\(directory)/plugin"))
      return BuildNote(ofExecutable: "\(directory)/plugin")
    }
  }

  @Test func `the note has the build ID and the program's name`() throws {
    let note = Self.note("swift-cni", Self.desc(Self.id, "ipam-host-local"))
    let found = try #require(try read(Self.elf(note)))
    #expect(found.buildID == Self.id && found.program == "ipam-host-local")
    #expect(try read(Self.elf(Self.note("GNU", [1, 2, 3]) + note)) == found)
  }

  static let others: [[UInt8]] = [
    [], Array("#!/bin/sh\n".utf8), elf([]), elf(note("GNU", desc(id, "x"))), elf(note("swift-cni", [1, 2, 3])),
    // Not stamped.
    elf(note("swift-cni", desc(zeros(32), ""))),
    // Cut off, and sizes beyond the file.
    Array(elf(note("swift-cni", desc(id, "x"))).dropLast(40)), Array(elf([]).prefix(70)),
    elf(integer(0xFFFF_FFFF, 4) + integer(64, 4) + integer(1, 4)),
    elf(integer(10, 4) + integer(0xFFFF_FFFF, 4) + zeros(16)),
  ]

  @Test(arguments: others.indices) func `other files have no note`(number: Int) throws {
    #expect(try read(Self.others[number]) == nil)
  }

  @Test func `a path that cannot be read has no note`() {
    #expect(BuildNote(ofExecutable: "/not/there") == nil && BuildNote(ofExecutable: "/") == nil)
  }
}
