import BaseSupport
import Foundation
import Glibc
import Linux
import Names
import NetTypes
import Testing

@Suite struct SafePathTests {
  private func place(_ base: String, _ below: [String] = ["c1", "resolv.conf"]) -> SafePath {
    SafePath(ContainerPath(base: base, below: below, key: "resolvConf"))
  }

  /// The error that `body` throws; `nil` if it throws none.
  private func refusal(_ body: () throws(KernelError) -> Void) -> KernelError? {
    do throws(KernelError) { try body() } catch { return error }
    return nil
  }

  @Test func `a file is created and removed together with its directories`() throws {
    try inTemporaryDirectory { path in
      let place = place("\(path)/new/base")
      #expect(try place.open() == nil)
      #expect(try place.missingDirectories() == ["\(path)/new", "\(path)/new/base", "\(path)/new/base/c1"])
      let missing = try place.missingDirectories()
      let made = try place.openOrCreate().status()
      #expect(try place.open()?.status() == made)
      #expect(try place.openOrCreate().status() == made)
      let attributes = try FileManager.default.attributesOfItem(atPath: "\(path)/new/base/c1/resolv.conf")
      #expect(attributes[.posixPermissions] as? Int == 0o644)
      try place.remove(where: { $0.inode != made.inode }, andEmpty: missing)
      #expect(try place.open() != nil)
      try place.remove(where: { $0.inode == made.inode }, andEmpty: missing)
      #expect(tree(path).isEmpty)
      try place.remove(where: { _ in true }, andEmpty: missing)
    }
  }

  @Test func `a directory with other files stays`() throws {
    try inTemporaryDirectory { path in
      let place = place(path)
      let missing = try place.missingDirectories()
      _ = try place.openOrCreate().status()
      try Data().write(to: URL(fileURLWithPath: "\(path)/c1/other"))
      try place.remove(where: { _ in true }, andEmpty: missing)
      #expect(tree(path) == ["c1", "c1/other"])
    }
  }

  @Test(arguments: ["link", "dangling", "fifo", "directory", "socket"])
  func `anything but a regular file at the path is refused and stays`(kind: String) throws {
    try inTemporaryDirectory { path in
      let file = "\(path)/c1/resolv.conf"
      try FileManager.default.createDirectory(atPath: "\(path)/c1", withIntermediateDirectories: false)
      try Data("precious\n".utf8).write(to: URL(fileURLWithPath: "\(path)/target"))
      switch kind {
      case "link": unsafe symlink("\(path)/target", file)
      case "dangling": unsafe symlink("\(path)/nothing", file)
      case "fifo": unsafe mkfifo(file, 0o600)
      case "directory": unsafe mkdir(file, 0o700)
      default: unsafe mknod(file, S_IFSOCK | 0o600, 0)
      }
      let before = tree(path)
      let place = place(path)
      for error in [
        refusal { () throws(KernelError) in _ = try place.open() == nil },
        refusal { () throws(KernelError) in _ = try place.openOrCreate().raw },
      ] {
        #expect(error?.errno == .EINVAL || error?.errno == .ELOOP)
        #expect(error?.description.hasPrefix("resolvConf: \(file): ") == true, "\(error?.description ?? "")")
      }
      #expect(tree(path) == before)
      #expect(FileManager.default.contents(atPath: "\(path)/target") == Data("precious\n".utf8))
    }
  }

  @Test func `a symbolic link below the base directory is refused, the base itself may be one`() throws {
    try inTemporaryDirectory { path in
      try FileManager.default.createDirectory(atPath: "\(path)/elsewhere", withIntermediateDirectories: false)
      unsafe symlink("\(path)/elsewhere", "\(path)/c1")
      #expect(refusal { () throws(KernelError) in _ = try self.place(path).openOrCreate().raw }?.errno == .ELOOP)
      #expect(tree("\(path)/elsewhere").isEmpty)
      _ = try place("\(path)/c1").openOrCreate().status()
      #expect(tree("\(path)/elsewhere") == ["c1", "c1/resolv.conf"])
      // Nothing is removed through a link either.
      let through = refusal { () throws(KernelError) in
        try self.place(path, ["c1", "c1", "resolv.conf"]).remove(where: { _ in true }, andEmpty: [])
      }
      #expect(through == nil)
      #expect(tree("\(path)/elsewhere") == ["c1", "c1/resolv.conf"])
    }
  }

  @Test func `a file instead of a directory is refused`() throws {
    try inTemporaryDirectory { path in
      try Data().write(to: URL(fileURLWithPath: "\(path)/c1"))
      #expect(refusal { () throws(KernelError) in _ = try self.place(path).openOrCreate().raw }?.errno == .ENOTDIR)
    }
  }
}
