import BaseSupport
import Foundation
import Linux
import NetTypes
import Testing

@Suite struct RecordDirectoryTests {
  private func mode(_ path: String) throws -> Int? {
    try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
  }

  @Test func `a write makes the directory and replaces the record, both with their permissions`() throws {
    try inTemporaryDirectory { path in
      let records = RecordDirectory("\(path)/a/b", mode: 0o700, fileMode: 0o600, isDurable: true)
      #expect(try records.names() == [])
      #expect(try records.read("x") == nil)
      try records.write("x", [1])
      try records.write("x", [2])
      #expect(try records.read("x") == [2])
      #expect(try mode("\(path)/a") == 0o755)
      #expect(try mode(records.path) == 0o700)
      #expect(try mode(records.file("x")) == 0o600)
      #expect(fileNames(records.path) == ["x"])
    }
  }

  @Test func `names that cannot be parsed are left out of the sorted list`() throws {
    try inTemporaryDirectory { path in
      let records = RecordDirectory(path)
      for name in ["9", "10", "x.tmp", "1"] { try records.write(name, []) }
      #expect(try records.names { Int($0) } == [1, 10, 9])
    }
  }

  @Test func `a removed record and a removed empty directory are gone, and removing them again is no error`() throws {
    try inTemporaryDirectory { path in
      let records = RecordDirectory(path).subdirectory("below")
      try records.write("x", [1])
      try records.removeIfEmpty()
      #expect(fileNames(path) == ["below"])
      for _ in 0..<2 {
        try records.remove("x")
        try records.removeIfEmpty()
      }
      #expect(fileNames(path) == [])
    }
  }

  @Test(arguments: ["mkdir", "link", "fifo", "loop"])
  func `only a regular file is read as one, and anything else that is empty can be cleared`(kind: String) throws {
    try inTemporaryDirectory { path in
      let records = RecordDirectory(path)
      try records.write("x", [1])
      #expect(try records.readRegular("x") == [1])
      try putOtherFile(kind, at: records.file("x"))
      #expect(try records.readRegular("x") == nil)
      #expect(try records.clear("x"))
      #expect(!fileNames(path).contains("x"))
    }
  }

  @Test func `a second holder of a lock gets EAGAIN`() throws {
    try inTemporaryDirectory { path in
      let records = RecordDirectory("\(path)/new")
      let held = try records.lock(".lock", seconds: 0)
      let error = #expect(throws: KernelError.self) { _ = try records.lock(".lock", seconds: 0) }
      #expect(error?.errno == .EAGAIN)
      #expect(error?.operation == "lock \(path)/new/.lock")
      _ = consume held
    }
  }
}
